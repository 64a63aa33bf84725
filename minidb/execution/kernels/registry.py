"""The tables of kernels and scalars, and the decorators that fill them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidb.execution.vector import Vec, vec_of

Kernel = Callable[..., Vec]

KERNELS: dict[tuple[str, ...], Kernel] = {}
SCALARS: dict[tuple[str, ...], Scalar] = {}


class Scalar:
    """A function of one row's values.

    strict         not called when an argument is NULL: the result is NULL
    volatile       called once for each row even without arguments
    wants_context  gets the run's Context as first argument
    """

    __slots__ = ("function", "strict", "volatile", "wants_context")

    def __init__(self, function: Callable[..., Any], strict: bool, volatile: bool,
                 wants_context: bool) -> None:
        self.function = function
        self.strict = strict
        self.volatile = volatile
        self.wants_context = wants_context

    def lifted(self, code: str) -> Kernel:
        """As a kernel of two vectors."""
        function = self.function

        def kernel(a: Vec, b: Vec) -> Vec:
            n = max(len(a.data), len(b.data))
            return vec_of([
                None if x is None or y is None else function(x, y)
                for x, y in zip(a.values(n), b.values(n), strict=True)
            ], code)

        return kernel


def kernel(name: str, *types: str) -> Callable[[Kernel], Kernel]:
    """Register a vector kernel for argument types given as "int4 int8"."""

    def register(function: Kernel) -> Kernel:
        for words in types:
            KERNELS[(name, *words.split())] = function
        return function

    return register


def scalar(*names: str, types: str = "", strict: bool = True, volatile: bool = False,
           context: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a row function under names, for these argument types ("a b") or for any."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            SCALARS[(name, *types.split())] = Scalar(function, strict, volatile, context)
        return function

    return register
