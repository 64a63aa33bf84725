"""Words: bytes behind their length, as small collections and the tables of large ones hold them.

    | length | bytes |          length: LEB128, one byte below 128

A bytes object has 33 bytes of its own, which for a member of a set is more than the member.  A word
has one, and lies in a block of Python's allocator for small objects, which is good at those.
"""

from cpython.mem cimport PyObject_Free, PyObject_Malloc

from kvstore.memory cimport block, gave, took


cdef Py_ssize_t word_weight(Py_ssize_t n) noexcept:
    return block(count_size(n) + n)


cdef char* make_word(const char* p, Py_ssize_t n) except NULL:
    cdef char* word = <char*>PyObject_Malloc(count_size(n) + n)
    if word is NULL:
        raise MemoryError(n)
    took(word_weight(n))
    put_word(word, p, n)
    return word


cdef int drop_word(char* word) noexcept:
    cdef Arg text
    read_word(word, &text)
    gave(word_weight(text.n))
    PyObject_Free(word)
    return 0
