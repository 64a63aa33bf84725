from libc.stdint cimport int64_t, uint8_t

from tsdb.selection cimport Selection


cdef bint over_pieces(int kind, Selection rows, Py_ssize_t row, const int64_t[::1] ends,
                      int64_t range_ms, double* out, uint8_t* there) except -1
