cdef class Command

from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.engine cimport Client
from kvstore.resp cimport Args


# Run a command for a client, append its reply.  `raise ReplyError` drops what was appended.
ctypedef int (*Handler)(Client c, Args a, Buf out) except -1


# The flags of a command that are looked at for each request.
cdef enum Flag:
    WRITE = 1
    DENY_OOM = 2
    NO_AUTH = 4                    # allowed before AUTH
    NO_MULTI = 8                   # not inside a transaction
    WHEN_SUBSCRIBED = 16           # allowed while a RESP2 client listens to channels
    UNQUEUED = 32                  # runs at once inside MULTI
    SKIP_MONITOR = 64
    NO_SCRIPT = 128                # not from a script
    READ_ONLY = 256
    MAY_REPLICATE = 512            # writes, or leads to what must be told to replicas
    WHEN_LOADING = 1024            # also while data is being loaded
    WHEN_STALE = 2048              # also on a replica without a primary that must not answer then
    ALLOW_BUSY = 4096              # while a script takes long
    SKIP_SLOWLOG = 8192
    ADMIN = 16384
    NOT_ASIDE = 32768              # not while data is loaded beside what is served


cdef class Command:
    cdef Handler run
    cdef readonly int arity
    cdef int flags
    cdef readonly object row           # kvstore.commands.Row
    cdef readonly object call          # the handler when it is Python: (client, words) -> reply
    cdef readonly dict subcommands     # name -> Command, or None
    cdef public uint64_t calls, failed, rejected
    cdef public int64_t nsec           # time spent in it
    cdef bint placed                   # what follows is known
    cdef int first_key, last_key, key_step     # where its keys stand; first 0: it has none
    cdef bint movable                  # its keys stand elsewhere in each request
    cdef uint64_t[40] took             # runs of 2^i up to 2^(i+1) ns
    cdef bytes own_name
    cdef const char* name_p
    cdef Py_ssize_t name_n

    cdef int place_keys(self) except -1


cdef inline bint fits(Command command, Args a) noexcept:
    """True if a request has as many words as the command takes."""
    return a.n == command.arity if command.arity > 0 else a.n >= -command.arity


cdef class Bindings:
    cdef dict by_name                  # name -> Command, subcommands as `container|sub`
    cdef void* index[1024]             # Command by name hash, no subcommands

    # The command of a name in any case, None if there is none.
    cdef Command lookup(self, const char* p, Py_ssize_t n)


cdef int define(str name, Handler run) except -1
# Which command of a container a request means.
cdef Command subcommand(Command container, Args a)
cdef int check_arity(Command command, Args a) except -1
cdef object wrong_arity(Command command)
