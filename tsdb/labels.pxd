cdef class Labels:
    cdef readonly tuple pairs      # ((name, value), ...) sorted by name, no empty values
    cdef Py_hash_t hashed          # -1 = not computed yet
    cdef Labels bare               # the same without __name__, once it was asked for

    cpdef str get(self, str name)
    cpdef Labels without_name(self)


cpdef Labels labels_of_key(bytes key)
cpdef bytes key_of_pairs(list pairs)
