from libc.stdint cimport uint32_t, uint64_t


cdef class Field:
    cdef readonly uint32_t number
    cdef readonly str name
    cdef readonly object type      # a scalar's name, a Message, or the name of one in the Schema
    cdef readonly bint repeated
    cdef readonly object default   # what decode gives when the field is absent
    cdef int kind
    cdef int wire
    cdef bint packed
    cdef bint skip_zero            # proto3: zero is not written
    cdef Message message           # of a nested field, once resolved

    cdef object resolve(self)
    cdef object scalar(self, const unsigned char** p, const unsigned char* end)


cdef class Message:
    cdef readonly str name
    cdef readonly tuple fields
    cdef dict by_number
    cdef dict absent               # name -> default of every singular field
    cdef list lists                # names of the repeated fields

    cdef dict fill(self, dict into, const unsigned char* p, const unsigned char* end, int depth)
    cdef int put(self, Out out, value, int depth) except -1


cdef class Out:
    cdef unsigned char* base       # filled from its end towards its start
    cdef size_t cap
    cdef size_t free               # bytes not used yet, all at the front

    cdef unsigned char* room(self, size_t n) except NULL
    cdef int uvarint(self, uint64_t v) except -1
