# Names in reach while binding; see scope.pyx.

from query_planner.expr cimport Column

cdef class Item:
    cdef public str name
    cdef public str schema
    cdef public object relation
    cdef public object get
    cdef public list columns
    cdef public list names
    cdef public dict places
    cdef public set hidden
    cdef public object numbering
    cdef public dict system

    cpdef object column(self, Py_ssize_t place)
    cpdef object system_column(self, str name)

cdef class Scope:
    cdef public list items
    cdef public Scope parent
    cdef public dict ctes

    cpdef object find(self, str name, Py_ssize_t pos)
    cpdef Item table(self, str name, str schema)
