"""The syntax tree: nodes of expressions and queries, records of all other statements."""

from query_planner.ast.nodes import (
    Array, ArrayQuery, Assignment, Between, Binary, BoolOp, Case, Cast, Collate, ColumnRef, Cte,
    Default, Delete, Exists, FieldSelect, Frame, FuncCall, FunctionRef, GroupingSets, InList,
    Insert, Is, IsDistinct, Join, Like, Literal, Locking, Node, Not, OnConflict, Parameter,
    Quantified, Query, Row, ScalarQuery, Select, SetOperation, Slice, SortKey, Star, SubqueryRef,
    Subscript, TableRef, Target, TypeName, Unary, Update, ValueFunction, Values, Window, With,
    fields,
)  # fmt: skip
from query_planner.ast.statements import Statement

__all__ = [
    "Array", "ArrayQuery", "Assignment", "Between", "Binary", "BoolOp", "Case", "Cast", "Collate",
    "ColumnRef", "Cte", "Default", "Delete", "Exists", "FieldSelect", "Frame", "FuncCall",
    "FunctionRef", "GroupingSets", "InList", "Insert", "Is", "IsDistinct", "Join", "Like",
    "Literal", "Locking", "Node", "Not", "OnConflict", "Parameter", "Quantified", "Query", "Row",
    "ScalarQuery", "Select", "SetOperation", "Slice", "SortKey", "Star", "Statement",
    "SubqueryRef", "Subscript", "TableRef", "Target", "TypeName", "Unary", "Update",
    "ValueFunction", "Values", "Window", "With", "fields",
]  # fmt: skip
