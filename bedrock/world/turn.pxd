cdef class Turn:
    cdef readonly bint pending     # a hook waits: replies must not leave before `flush`
    cdef readonly bint broken      # a hook failed: nothing may be sent any more
    cdef bint inside               # a driver is between the start and the end of a turn
    cdef list hooks
    cdef object wake               # called when work is deferred outside a turn
    cdef public object failed      # called with the exception when a hook fails

    cdef int defer(self, hook) except -1
    cdef int flush(self) except -1
