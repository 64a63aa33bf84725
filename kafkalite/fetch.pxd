from kafkalite.cursor cimport Reader


# A Fetch request by hand: the Reply, or a Later for it; Malformed for what is none.
cdef object fetch_by_hand(broker, call, Reader* r)
