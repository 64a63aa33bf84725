# What Redis packs small collections into, read back as a list of bytes; ValueError if it is not
# what it should be.
cdef enum:
    LISTPACK_HEAD = 6

cdef Py_ssize_t listpack_end(bytes blob) except -1
cdef list listpack_entries(bytes blob)
cdef list ziplist_entries(bytes blob)
cdef list zipmap_entries(bytes blob)
cdef list intset_entries(bytes blob)

# LZF: n bytes of text from a compressed one.
cdef bytes lzf_expand(bytes packed, size_t n)
