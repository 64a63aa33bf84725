"""What the data takes: one number, kept up to date by every structure that holds some.

    table, packed run, ring, node, chunk   took() when allocated, gave() when freed
    a key or a plain string                when it enters or leaves its table

Sizes are those of the allocators' blocks, not of the contents, so the number is what the process
would give back.  It costs an addition where memory is allocated anyway, needs no walk and no
question to the system, and goes down at once when data goes, which the resident size does not:
eviction can steer by it.

The number is the process's: several stores in one process share it.  The interpreter and its code
are not in it.
"""

from bedrock.net.buf cimport held


cdef void took(Py_ssize_t n) noexcept:
    account.data += n


cdef void gave(Py_ssize_t n) noexcept:
    account.data -= n


def block_of(value) -> int:
    """Bytes of a key or a plain string, with what the allocator adds."""
    return weight(value)


def buffer_bytes() -> int:
    """Bytes that all buffers of connections and files have allocated."""
    return held.bytes


def data_bytes() -> int:
    """Bytes that all data takes."""
    return account.data
