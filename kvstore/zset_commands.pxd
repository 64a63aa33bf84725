from bedrock.net.buf cimport Buf
from kvstore.engine cimport Client
from kvstore.resp cimport Arg, Args
from kvstore.zsets cimport ZSet


cdef int put_member(Client c, ZSet value, const Arg* member, double score) except -1
# A member and its score, as the client's protocol pairs them.
cdef int put_pair(Client c, const Arg* member, double score, bint with_scores, Buf out) except -1
cdef int put_pairs_header(Client c, Py_ssize_t n, bint with_scores, Buf out) except -1
# Keep a result at a key (nothing when it is empty) and answer with its size.
cdef int store_zset(Client c, const Arg* key, ZSet value, str name, Buf out) except -1
cdef int zadd(Client c, Args a, Buf out) except -1
