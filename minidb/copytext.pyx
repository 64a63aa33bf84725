"""Lines of COPY's text format, cut into fields."""


cdef dict ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


cdef str unescape(str field):
    """Resolve backslash sequences: letters, octal and hex codes; else the character itself."""
    cdef Py_ssize_t i = 0, j, n = len(field)
    cdef list out = []
    while i < n:
        c = field[i]
        if c != "\\" or i + 1 == n:
            out.append(c)
            i += 1
            continue
        c = field[i + 1]
        i += 2
        if c in ESCAPES:
            out.append(ESCAPES[c])
        elif "0" <= c <= "7":
            j = i
            while j < n and j < i + 2 and "0" <= field[j] <= "7":
                j += 1
            out.append(chr(int(field[i - 1:j], 8) & 0xFF))
            i = j
        elif c == "x" and i < n and field[i] in "0123456789abcdefABCDEF":
            j = i
            while j < n and j < i + 2 and field[j] in "0123456789abcdefABCDEF":
                j += 1
            out.append(chr(int(field[i:j], 16)))
            i = j
        else:
            out.append(c)
    return "".join(out)


def split_lines(str text, str delimiter, str null):
    """(rows of fields, whether the end marker came) of whole lines."""
    cdef list rows = []
    cdef list fields
    cdef str line
    cdef bint escaped = "\\" in text
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if text.endswith("\n"):
        text = text[:len(text) - 1]
    for line in text.split("\n"):
        if escaped:
            if line == "\\.":
                return rows, True
            fields = split_escaped(line, delimiter) if "\\" in line else line.split(delimiter)
            rows.append([
                None if field == null else unescape(field) if "\\" in field else field
                for field in fields])
        elif null in line or not null:
            rows.append([None if field == null else field for field in line.split(delimiter)])
        else:
            rows.append(line.split(delimiter))
    return rows, False


cdef list split_escaped(str line, str delimiter):
    """Split at delimiters that no backslash stands before."""
    if "\\" + delimiter not in line:
        return line.split(delimiter)
    cdef list fields = []
    cdef Py_ssize_t i = 0, start = 0, n = len(line)
    while i < n:
        if line[i] == "\\":
            i += 2
            continue
        if line[i] == delimiter:
            fields.append(line[start:i])
            start = i + 1
        i += 1
    fields.append(line[start:])
    return fields
