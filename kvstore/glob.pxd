# True if the whole text matches; `fold` ignores the case of letters.
cdef bint glob(const char* p, Py_ssize_t pn, const char* t, Py_ssize_t tn, bint fold) noexcept
