from kafkalite.cursor cimport Reader


# Requests by hand: the Reply; Malformed for what is none.
cdef object heartbeat_by_hand(broker, call, Reader* r)
cdef object commit_by_hand(broker, call, Reader* r)
cdef object metadata_by_hand(broker, call, Reader* r)
