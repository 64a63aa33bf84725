"""Glob patterns as KEYS, SCAN and PSUBSCRIBE understand them.

    *  any run    ?  any byte    [abc] [a-z] [^a]  a class    \\x  x itself

Backtracking goes to the last `*` only, so the time is at most the product of both lengths and a
pattern such as `a*a*a*a*b` cannot make it explode.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE


cdef inline unsigned char lower(unsigned char ch, bint fold) noexcept:
    return ch | 0x20 if fold and c'A' <= ch <= c'Z' else ch


cdef Py_ssize_t in_class(const char* p, Py_ssize_t pn, unsigned char ch, bint fold,
                         bint* hit) noexcept:
    """p is behind a `[`: whether ch is in the class, and the length of it up to its `]`."""
    cdef Py_ssize_t i = 0
    cdef bint negated = False
    cdef unsigned char low, high
    hit[0] = False
    ch = lower(ch, fold)
    if i < pn and p[i] == c'^':
        negated = True
        i += 1
    while i < pn and p[i] != c']':
        if p[i] == c'\\' and i + 1 < pn:
            i += 1
            hit[0] |= lower(p[i], fold) == ch
            i += 1
        elif i + 2 < pn and p[i + 1] == c'-':
            low, high = lower(p[i], fold), lower(p[i + 2], fold)
            if low > high:
                low, high = high, low
            hit[0] |= low <= ch <= high
            i += 3
        else:
            hit[0] |= lower(p[i], fold) == ch
            i += 1
    if negated:
        hit[0] = not hit[0]
    return i + 1 if i < pn else i


cdef bint glob(const char* p, Py_ssize_t pn, const char* t, Py_ssize_t tn, bint fold) noexcept:
    cdef Py_ssize_t i = 0, j = 0, star = -1, mark = 0, step
    cdef bint hit
    while j < tn:
        hit = False
        step = 1
        if i < pn:
            if p[i] == c'*':
                star = i
                mark = j
                i += 1
                continue
            if p[i] == c'?':
                hit = True
            elif p[i] == c'[':
                step = 1 + in_class(p + i + 1, pn - i - 1, t[j], fold, &hit)
            elif p[i] == c'\\' and i + 1 < pn:
                step = 2
                hit = lower(p[i + 1], fold) == lower(t[j], fold)
            else:
                hit = lower(p[i], fold) == lower(t[j], fold)
        if hit:
            i += step
            j += 1
        elif star >= 0:
            mark += 1
            i = star + 1
            j = mark
        else:
            return False
    while i < pn and p[i] == c'*':
        i += 1
    return i == pn


def matches(bytes pattern not None, bytes text not None, bint fold=False) -> bool:
    """True if the whole text matches the pattern."""
    return glob(PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern),
                PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), fold)
