from cpython.buffer cimport PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer


cdef inline void* address(object array) except? NULL:
    """Where a contiguous numpy array keeps its data; valid while the array lives."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_WRITABLE)
    cdef void* p = view.buf
    PyBuffer_Release(&view)
    return p


cdef class Chunk:
    cdef readonly str kind         # numpy type code: ? h i q f d, or O for objects
    cdef readonly object data      # ndarray of `capacity` values
    cdef readonly object nulls     # ndarray of bool
    cdef readonly Py_ssize_t capacity
    cdef public bint any_null      # some value was NULL at some time
    cdef char code
    cdef char* p
    cdef unsigned char* null_p

    cdef object get(self, Py_ssize_t i)
    cdef int put(self, Py_ssize_t i, object value) except -1
    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef int adopt(self, object data, object nulls) except -1
    cdef object fresh(self, Py_ssize_t n)
    cdef hold(self, data, nulls)
