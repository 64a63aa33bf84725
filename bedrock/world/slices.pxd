cpdef int rest() except -1
