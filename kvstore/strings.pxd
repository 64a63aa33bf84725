from libc.stdint cimport int64_t

from kvstore.engine cimport Client
from kvstore.resp cimport Arg

# The bytes of a string value, good while the value lives; False when the value is None.
# WrongType when it is no string.
cdef bint text_of(object value, Arg* text) except -1

# An argument that must be a whole number.
cdef int64_t int_of(const Arg* arg) except? -1
# How many elements to draw at random; negative: with repetitions.
cdef int64_t draws_of(const Arg* arg) except? -1
# An argument that must be a number.
cdef double double_of(const Arg* arg) except? -1
# When a key set to live for `amount` units from `base_ms` (0 for absolute times) dies.
cdef int64_t deadline_of(const Arg* arg, int64_t unit_ms, int64_t base_ms, str name) except? -1
# Give a key that is there a deadline; it is deleted if that has passed.
cdef int let_die(Client c, const Arg* key, int64_t at_ms) except -1
# start and stop of a range, negative ones counted from the end, cut to [0, n); False if empty.
cdef bint clamp_range(int64_t* start, int64_t* stop, int64_t n) noexcept
# The same for strings, where an end before the beginning means the first.
cdef bint clamp_text(int64_t* start, int64_t* stop, int64_t n) noexcept
# The value as a bytearray of at least `size` bytes (new ones are 0), stored at the key.
cdef bytearray grow(Client c, const Arg* key, object value, Py_ssize_t size)
