from kafkalite.cursor cimport Reader


# A Produce request by hand: the Reply, None for acks=0; Malformed for what is none.
cdef object produce_by_hand(broker, call, Reader* r)
