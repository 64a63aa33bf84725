from cpython.bytes cimport PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport int64_t


cdef extern from *:
    """
    #define OBJECT_SIZE(o) (Py_TYPE(o)->tp_basicsize + (PyObject_IS_GC(o) ? 16 : 0))
    #define ROOM_OF(o) (((PyByteArrayObject*)(o))->ob_alloc)
    """
    Py_ssize_t object_size "OBJECT_SIZE"(object o) noexcept
    Py_ssize_t room_of "ROOM_OF"(object o) noexcept


cdef enum:
    BYTES_HEAD = 33                # what a bytes object takes besides its bytes
    BYTEARRAY_HEAD = 64


cdef struct Account:
    int64_t data                   # bytes that values, keys and their tables take

cdef Account account

cdef void took(Py_ssize_t n) noexcept
cdef void gave(Py_ssize_t n) noexcept


# What the C library's malloc takes for n bytes.
cdef inline Py_ssize_t malloc_size(Py_ssize_t n) noexcept:
    return (n + 23) & ~15 if n > 24 else 32


# What Python's allocator takes for an object of n bytes.
cdef inline Py_ssize_t block(Py_ssize_t n) noexcept:
    return (n + 15) & ~15 if n <= 512 else malloc_size(n)


# What a value that is no Value takes; those count themselves.
cdef inline Py_ssize_t weight(object value) noexcept:
    if PyBytes_CheckExact(value):
        return block(PyBytes_GET_SIZE(value) + BYTES_HEAD)
    if type(value) is bytearray:
        return BYTEARRAY_HEAD + malloc_size(room_of(value))
    return 0
