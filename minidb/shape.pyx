"""A statement's shape: its text with the integer literals taken out.

Clients of the simple protocol send `... WHERE aid = 4711` with another number each time.  Replacing the
numbers by parameters gives one text for all of them, so that parsing and planning happen once:

    SELECT abalance FROM accounts WHERE aid = 4711;
    SELECT abalance FROM accounts WHERE aid = $1;          values (4711,)

Left alone are texts in which a number may mean something else than a value (ORDER BY 1, GROUP BY 1),
texts with parameters, comments or dollar quotes, and numbers that are not plain integers.
"""

from libc.stdint cimport int64_t

cdef enum:
    LONGEST = 2000
    MOST = 24

cdef tuple VERBS = ("select", "update", "insert", "delete")


cdef inline bint is_word(Py_UCS4 c) noexcept:
    return c == 95 or 97 <= c <= 122 or 65 <= c <= 90 or 48 <= c <= 57 or c == 36 or c > 127


def shape(str sql):
    """(text with parameters, values), or None where the text should be taken as it is."""
    cdef Py_ssize_t i = 0, start, copied = 0, n = len(sql)
    cdef Py_UCS4 c, last = 32
    cdef list parts = []
    cdef list values = []
    cdef int64_t value
    if n > LONGEST or n < 8 or sql[:6].lower() not in VERBS:
        return None
    while i < n:
        c = sql[i]
        if 48 <= c <= 57 and not is_word(last) and last != 46:
            start = i
            value = 0
            while 48 <= c <= 57:
                value = value * 10 + <int64_t>c - 48
                i += 1
                c = sql[i] if i < n else 32
            if i - start > 9 or c == 46 or is_word(c):
                # A float, a bigint, or the like: stays in the text.
                while i < n and (is_word(sql[i]) or sql[i] == 46):
                    i += 1
                last = 48
                continue
            values.append(value)
            if len(values) > MOST:
                return None
            parts.append(sql[copied:start])
            parts.append(f"${len(values)}")
            copied = i
            last = 48
            continue
        if c == 39 or c == 34:
            if last == 69 or last == 101:
                return None             # E'...' has escapes of its own
            i += 1
            while i < n and sql[i] != c:
                i += 1
        elif c == 36 or (c == 45 and i + 1 < n and sql[i + 1] == 45) or \
                (c == 47 and i + 1 < n and sql[i + 1] == 42):
            return None
        elif (c == 98 or c == 66) and i + 1 < n and (sql[i + 1] == 121 or sql[i + 1] == 89) and \
                not is_word(last) and i + 2 < n and not is_word(sql[i + 2]):
            return None                 # BY
        elif c == 59 and sql[i + 1:].strip():
            return None                 # several statements
        last = c
        i += 1
    if not values:
        return None
    parts.append(sql[copied:])
    return "".join(parts), tuple(values)
