"""Randomness: xoshiro256** (Blackman and Vigna, 2018) seeded through splitmix64.

One seed gives one sequence on every machine and Python version; that is what makes a simulator's
failing seed portable.  `token` is for secrets: from the system in `OsRand`, from the seed in
simulation.
"""

import os


cdef inline uint64_t rotl(uint64_t x, int k) noexcept:
    return (x << k) | (x >> (64 - k))


cdef class Rand:
    """A seeded stream of numbers.

    seed: any int; its low 64 bits count.
    """

    def __init__(self, seed):
        cdef uint64_t x = seed & 0xFFFFFFFFFFFFFFFF
        cdef uint64_t z
        cdef uint64_t[4] s
        cdef int i
        for i in range(4):
            x += 0x9E3779B97F4A7C15ULL
            z = x
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
            s[i] = z ^ (z >> 31)
        self.s0, self.s1, self.s2, self.s3 = s[0], s[1], s[2], s[3]

    cdef uint64_t next(self) noexcept:
        cdef uint64_t result = rotl(self.s1 * 5, 7) * 9
        cdef uint64_t t = self.s1 << 17
        self.s2 ^= self.s0
        self.s3 ^= self.s1
        self.s1 ^= self.s2
        self.s0 ^= self.s3
        self.s2 ^= t
        self.s3 = rotl(self.s3, 45)
        return result

    def u64(self) -> int:
        """A uniform 64-bit number."""
        return self.next()

    cpdef uint64_t below(self, uint64_t n) except? 0:
        """A uniform number in [0, n); n >= 1."""
        if n == 0:
            raise ValueError("below(0)")
        # Reject the short last stretch, so that every value is equally likely.
        cdef uint64_t limit = -n % n
        cdef uint64_t x = self.next()
        while x < limit:
            x = self.next()
        return x % n

    def between(self, low: int, high: int) -> int:
        """A uniform int in [low, high], both included."""
        return low + self.below(high - low + 1)

    cpdef double random(self) noexcept:
        """A uniform float in [0, 1)."""
        return (self.next() >> 11) * (1.0 / 9007199254740992.0)

    def chance(self, double p) -> bool:
        """True with probability p."""
        return self.random() < p

    def choice(self, items):
        """One element of a non-empty sequence."""
        return items[self.below(len(items))]

    def shuffle(self, items: list) -> None:
        """Shuffle a list in place (Fisher-Yates)."""
        cdef Py_ssize_t i, j
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]

    def bytes(self, Py_ssize_t n) -> bytes:
        """n uniform bytes."""
        out = bytearray()
        while len(out) < n:
            out += (<object>self.next()).to_bytes(8, "little")
        del out[n:]
        return bytes(out)

    def token(self, Py_ssize_t n) -> bytes:
        """n bytes fit for a secret; in simulation they come from the seed."""
        return self.bytes(n)

    def fork(self) -> Rand:
        """An independent stream, seeded from this one."""
        return Rand(self.next())


cdef class OsRand(Rand):
    """Seeded by the system; secrets come from the system directly."""

    def __init__(self):
        super().__init__(int.from_bytes(os.urandom(8), "little"))

    def token(self, Py_ssize_t n) -> bytes:
        return os.urandom(n)
