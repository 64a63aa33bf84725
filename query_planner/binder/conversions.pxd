from query_planner.expr cimport Const

cpdef Const constant(value, type_, int typmod=?)
