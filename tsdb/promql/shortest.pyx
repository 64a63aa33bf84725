"""The shortest decimal that reads back as a double: digits and a power of ten, without the GIL.

R. Giulietti's Schubfach: v = c 2^q.  All numbers between the middles to its neighbours read back as
v, and of the multiples of 10^k and 10^(k+1) near v, for the right k, one or none of the latter lies
between: that is the shortest, else the nearest of the former.  The comparisons are made on
4 v 10^-k with two bits to spare, of which a product of 126 bits tells all that is needed; whether
something was cut off is kept in the lowest bit ("round to odd").

Steele and White's condition holds: reading back gives v, no shorter decimal does, and of those of that
length it is the nearest.  The powers of ten are made at import: 617 of them, 128 bits each.
"""

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from *:
    ctypedef unsigned long long uint128_t "unsigned __int128"

cdef enum:
    LEAST = -292                   # the powers that are needed
    MOST = 324
    POWERS = 617
    HIDDEN_BIT = 52
    BIAS = 1075

cdef uint64_t[POWERS][2] powers    # high and low half, rounded up, the highest bit set


def _fill() -> None:
    for k in range(LEAST, MOST + 1):
        if k >= 0:
            power, shift = 10 ** k, (10 ** k).bit_length() - 128
            found = -(-power >> shift) if shift > 0 else power << -shift
        else:
            divisor = 10 ** -k
            found = -(-(1 << (divisor.bit_length() + 127)) // divisor)
        assert found.bit_length() == 128
        powers[k - LEAST][0] = found >> 64
        powers[k - LEAST][1] = found & 0xFFFFFFFFFFFFFFFF


_fill()


cdef inline uint64_t product(const uint64_t* power, uint64_t factor) noexcept nogil:
    """The upper 64 bits of power * factor; the lowest of them set where lower ones were not 0."""
    cdef uint128_t low = <uint128_t>power[1] * factor
    cdef uint128_t high = <uint128_t>power[0] * factor + <uint64_t>(low >> 64)
    return <uint64_t>(high >> 64) | (<uint64_t>high > 1)


cdef int shortest(double v, uint64_t* digits) noexcept nogil:
    """Sets the digits of a finite v > 0, without zeros at their end; returns the power of ten."""
    cdef uint64_t bits, c, s, tenth, left, middle, right, lower, upper
    cdef int q, k, shift
    cdef bint odd, closer, below, above
    cdef const uint64_t* power
    memcpy(&bits, &v, 8)
    c = bits & ((<uint64_t>1 << HIDDEN_BIT) - 1)
    q = <int>(bits >> HIDDEN_BIT)
    closer = c == 0 and q > 1      # the neighbour below is only half as far away
    if q:
        c |= <uint64_t>1 << HIDDEN_BIT
        q -= BIAS
    else:
        q = 1 - BIAS
    odd = c & 1                    # the middles themselves read back as the even neighbour
    k = (q * 1262611 - (524031 if closer else 0)) >> 22          # floor(log10 of the distance)
    shift = q + ((-k * 1741647) >> 19) + 1
    power = powers[-k - LEAST]
    left = product(power, (4 * c - 2 + closer) << shift)
    middle = product(power, 4 * c << shift)
    right = product(power, (4 * c + 2) << shift)
    lower = left + odd
    upper = right - odd
    s = middle // 4
    if s >= 10:
        tenth = s // 10
        below = lower <= 40 * tenth
        above = 40 * tenth + 40 <= upper
        if below != above:
            return stripped(tenth + above, k + 1, digits)
    below = lower <= 4 * s
    above = 4 * s + 4 <= upper
    if below == above:
        above = middle > 4 * s + 2 or middle == 4 * s + 2 and s & 1
    return stripped(s + above, k, digits)


cdef inline int stripped(uint64_t number, int k, uint64_t* digits) noexcept nogil:
    while number and number % 10 == 0:
        number //= 10
        k += 1
    digits[0] = number
    return k
