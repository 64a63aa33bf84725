"""From logical to physical: which way to each table, which join, in which order, at what cost.

Reading order: scans.py (ways to one table), joins.py (blocks of joins), nodes.py (all other
operators).
"""
