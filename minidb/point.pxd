cdef class PointSelect:
    cdef readonly int table        # oid
    cdef readonly int index        # oid of a unique index
    cdef readonly tuple keys       # for each key column: parameter number, or -1
    cdef readonly tuple constants  # its value where the number is -1
    cdef readonly tuple places     # of the result's columns in a row
    cdef readonly tuple types      # of the result's columns
    cdef readonly tuple hows       # their forms (see output.pyx)

    cdef object row(self, connection, tuple parameters)
