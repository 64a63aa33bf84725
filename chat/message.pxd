cdef class Message:
    cdef readonly dict tags        # client tags by name, unescaped; {} when there are none
    cdef readonly str source       # without the colon; "" when there is none
    cdef readonly str command      # in upper case
    cdef readonly list params


cdef class Outgoing:
    cdef readonly str source, command
    cdef readonly tuple params
    cdef readonly str msgid, time
    cdef readonly dict client_tags
    cdef readonly str batch
    cdef bytes body
    cdef list variants             # one line for each combination of TIME and TAGS

    cdef bytes line(self, int wants)


cpdef enum Wants:
    TIME = 1                       # the recipient negotiated server-time
    TAGS = 2                       # the recipient negotiated message-tags
