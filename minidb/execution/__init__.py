"""Running plans: vectors of values through operators.

    vector.py      Vec, Batch: columns of values with nulls
    hashing.pyx    grouping and joining on keys, sums: the loops numpy has no word for
    expression.py  bound expressions -> functions from batch to vector
    kernels/       what each SQL function and operator does
    operators.py   Filter, Project, Limit, ... and the table from plan node to operator
    scan.py        table, index, function and CTE scans
    join.py        hash join, nested loop
    aggregate.py   grouping and aggregate functions
    sort.py        order, distinct, set operations
    window.py      window functions
    modify.py      INSERT, UPDATE, DELETE

A plan becomes a tree of operators once and is run many times: what belongs to one run is in its
Context.  `rows(context)` yields batches, now and then PAUSE (see events.py), so that a long query
lets other sessions run.
"""
