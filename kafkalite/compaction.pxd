from kafkalite.batch cimport Header

# Positions of the records that have no key, in a valid batch.
cdef list keyless(const char* p, const Header* h)
