"""Functions and operators, and how a call finds the one it means.

`Function` is one signature.  `lookup(name)` and `operators(op)` give the candidates; `resolve`
picks
among them by PostgreSQL's rules (manual chapters 10.2 and 10.3): exact match, else those reachable
by
implicit conversion, preferring exact positions, then preferred types, then for literals of unknown
type the string category or the type of the other arguments.

Signatures are text (signatures.py and operator_signatures.py) until a name is first asked for, so
importing stays cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from query_planner import operator_signatures, signatures
from query_planner.types import (
    ANY,
    TEXT,
    TYPES,
    UNKNOWN,
    Type,
    base_type,
    can_cast,
)  # fmt: skip


class Function:
    """One signature of a function, operator, aggregate or window function.

    key         identifies the implementation: "lower(text)", "+(int4,int4)", "-(,int4)" for prefix
    kind        f function, o operator, a aggregate, w window, s ordered-set aggregate
    args        declared argument types, possibly polymorphic; for kind s direct ones first
    variadic    the element type of a variadic last argument (ANY: taken as they come), or None
    strict      result is NULL when an argument is (never for aggregates, which skip such rows)
    volatility  i immutable, s stable, v volatile
    fields      of a record result: ((name, Type), ...)
    direct      of kind s: how many arguments are direct
    """

    __slots__ = (
        "arg_names", "args", "direct", "fields", "handle", "key", "kind", "name", "oid",
        "polymorphic", "result", "returns_set", "strict", "variadic", "volatility",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        args: Sequence[Type],
        result: Type,
        kind: str = "f",
        *,
        strict: bool = True,
        volatility: str = "i",
        returns_set: bool = False,
        variadic: Type | None = None,
        fields: tuple = (),
        key: str = "",
        direct: int = 0,
        oid: int = 0,
        handle: Any = None,
    ) -> None:
        self.name = name
        self.args = tuple(args)
        self.result = result
        self.kind = kind
        self.strict = strict
        self.volatility = volatility
        self.returns_set = returns_set
        self.variadic = variadic
        self.fields = fields
        self.direct = direct
        self.oid = oid
        self.handle = handle
        self.arg_names: tuple[str, ...] = signatures.ARGUMENT_NAMES.get(name, ())
        self.polymorphic = (
            any(a.name in _POLYMORPHIC for a in self.args) or result.name in _POLYMORPHIC
            or (variadic is not None and variadic.name in _POLYMORPHIC)
        )
        self.key = key or f"{name}({','.join(a.name for a in self.args)})"

    def __repr__(self) -> str:
        return f"<{self.key}>"


_ELEMENT = ("anyelement", "anynonarray", "anyenum")
_POLYMORPHIC = frozenset((
    *_ELEMENT, "anyarray", "anyrange", "anymultirange", "anycompatible", "anycompatiblearray",
    "anycompatiblenonarray",
))  # fmt: skip


def _type(word: str) -> Type:
    return TYPES[word.strip('"')]


def _expand(args: list[str]) -> list[list[str]]:
    """All combinations of a|b alternatives."""
    found: list[list[str]] = [[]]
    for arg in args:
        found = [[*done, one] for done in found for one in arg.split("|")]
    return found


def _signature(line: str, kind: str) -> list[Function]:
    name, _, rest = line.partition("(")
    arguments, _, tail = rest.partition(")")
    result, _, flags = tail.strip().partition(" ")
    direct = 0
    if kind == "s":
        before, _, after = arguments.partition("|")
        args = [*filter(None, before.split(",")), *filter(None, after.split(","))]
        direct = len([*filter(None, before.split(","))])
        combinations = [args]
    else:
        combinations = _expand([*filter(None, arguments.split(","))])
    fields: tuple = ()
    if "{" in result:
        result, _, inner = result.partition("{")
        fields = tuple(
            (field, _type(type_)) for field, type_ in
            (part.split(":") for part in inner.rstrip("}").split(","))
        )
    found = []
    for words in combinations:
        variadic = None
        if words and words[-1][0] == "*":
            variadic = _type(words[-1][1:])
            words = words[:-1]
        args_ = [_type(word.lstrip("*")) for word in words]
        shown = [a.name for a in args_] + (["*" + variadic.name] if variadic else [])
        found.append(Function(
            name, args_, args_[0] if result == "=" else _type(result), kind,
            strict="n" not in flags, returns_set="r" in flags, variadic=variadic, fields=fields,
            volatility="v" if "v" in flags else "s" if "s" in flags else "i",
            key=f"{name}({','.join(shown)})", direct=direct,
        ))
    return found


_lines: dict[str, list[tuple[str, str]]] = {}
_functions: dict[str, tuple[Function, ...]] = {}
_operators: dict[str, tuple[Function, ...]] = {}
_prefix: dict[str, tuple[Function, ...]] = {}


def _index() -> None:
    for text, kind in (
        (signatures.FUNCTIONS, "f"), (signatures.AGGREGATES, "a"), (signatures.WINDOWS, "w"),
        (signatures.ORDERED_SET, "s"),
    ):  # fmt: skip
        for line in text.split("\n"):
            if line:
                _lines.setdefault(line[: line.index("(")], []).append((line, kind))


def lookup(name: str) -> tuple[Function, ...]:
    """All built-in functions of a name, of all kinds."""
    found = _functions.get(name)
    if found is None:
        if not _lines:
            _index()
        lines = _lines.get(name)
        if lines is None:
            return ()
        found = tuple(f for line, kind in lines for f in _signature(line, kind))
        _functions[name] = found
    return found


def all_functions() -> list[Function]:
    """Every built-in function (for pg_proc)."""
    if not _lines:
        _index()
    return [function for name in _lines for function in lookup(name)]


def _build_operators() -> None:
    made: dict[str, list[Function]] = {}

    def add(op: str, left: Type, right: Type, result: Type, strict: bool = True) -> None:
        made.setdefault(op, []).append(Function(
            op, (left, right), result, "o", strict=strict,
            key=f"{op}({left.name},{right.name})"))

    boolean = TYPES["bool"]
    pairs = [(_type(w), _type(w)) for w in operator_signatures.COMPARABLE.split()]
    for pair in operator_signatures.CROSS_COMPARABLE.split():
        left, _, right = pair.partition(",")
        pairs.append((_type(left), _type(right)))
    for op in ("=", "<>", "<", "<=", ">", ">="):
        for left_type, right_type in pairs:
            add(op, left_type, right_type, boolean)
    for line in operator_signatures.OPERATORS.split("\n"):
        if line:
            op, left, right, result = line.split()
            add(op, _type(left), _type(right), _type(result),
                strict=not (op == "||" and "compatible" in left + right))
    for op, functions in made.items():
        _operators[op] = tuple(functions)
    prefix: dict[str, list[Function]] = {}
    for line in operator_signatures.PREFIX_OPERATORS.split("\n"):
        if line:
            op, arg, result = line.split()
            prefix.setdefault(op, []).append(
                Function(op, (_type(arg),), _type(result), "o", key=f"{op}(,{arg})"))
    for op, functions in prefix.items():
        _prefix[op] = tuple(functions)


def operators(op: str) -> tuple[Function, ...]:
    """All infix operators written `op`."""
    if not _operators:
        _build_operators()
    return _operators.get(op, ())


def prefix_operators(op: str) -> tuple[Function, ...]:
    """All prefix operators written `op`."""
    if not _operators:
        _build_operators()
    return _prefix.get(op, ())


# ---------------------------------------------------------------------- choosing


def _accepts(declared: Type, given: Type) -> bool:
    """Whether an argument of type `given` may stand where `declared` is asked."""
    if given is declared or given is UNKNOWN or declared is ANY:
        return True
    name = declared.name
    if name in _POLYMORPHIC:
        if name in ("anyarray", "anycompatiblearray"):
            return base_type(given).element is not None
        if name in ("anynonarray", "anycompatiblenonarray"):
            return base_type(given).element is None
        if name == "anyenum":
            return base_type(given).kind == "e"
        if name == "anyrange":
            return given.kind == "r"
        if name == "anymultirange":
            return given.kind == "m"
        return True
    return can_cast(given, declared)


def _spread(function: Function, count: int) -> tuple[Type, ...] | None:
    """The declared types for `count` arguments, or None where it cannot take so many."""
    args = function.args
    if len(args) == count and function.variadic is None:
        return args
    if function.variadic is not None and count > len(args):
        return args + (function.variadic,) * (count - len(args))
    return None


def resolve(candidates: Sequence[Function], given: Sequence[Type]) -> Function | str | None:
    """The candidate a call with these argument types means; None if none, "ambiguous" if many."""
    count = len(given)
    fitting: list[tuple[Function, tuple[Type, ...]]] = []
    for function in candidates:
        args = _spread(function, count)
        if args is None:
            continue
        if args == given or all(a is g for a, g in zip(args, given, strict=True)):
            return function
        if all(_accepts(a, g) for a, g in zip(args, given, strict=True)) \
                and _consistent(args, given):
            fitting.append((function, args))
    if not fitting:
        return None
    if len(fitting) == 1:
        return fitting[0][0]
    plain = [base_type(g) for g in given]
    if count == 2 and (plain[0] is UNKNOWN) != (plain[1] is UNKNOWN):
        # An operator with one literal: take both sides alike if there is such an operator.
        known = plain[1] if plain[0] is UNKNOWN else plain[0]
        for function, args in fitting:
            if args[0] is known and args[1] is known:
                return function
    # Most exact matches.
    fitting = _best(fitting, lambda args: sum(a is g for a, g in zip(args, plain, strict=True)))
    if len(fitting) > 1:
        # Most exact or preferred, where a conversion is needed.
        fitting = _best(fitting, lambda args: sum(
            g is not UNKNOWN and (a is g or (a.preferred and a.category == g.category))
            for a, g in zip(args, plain, strict=True)))
    if len(fitting) > 1 and UNKNOWN in plain:
        fitting = _by_category(fitting, plain)
        if len(fitting) > 1:
            known_types = {g for g in plain if g is not UNKNOWN}
            if len(known_types) == 1:
                (only,) = known_types
                alike = [(f, a) for f, a in fitting
                         if all(_accepts(x, only) for x, g in zip(a, plain, strict=True)
                                if g is UNKNOWN)]
                fitting = alike or fitting
    if len(fitting) > 1:
        # A polymorphic candidate yields to a plain one.
        concrete = [(f, a) for f, a in fitting if not f.polymorphic and ANY not in a]
        fitting = concrete or fitting
    return fitting[0][0] if len(fitting) == 1 else "ambiguous"


def _best(fitting: list, score: Any) -> list:
    scores = [score(args) for _, args in fitting]
    top = max(scores)
    return [pair for pair, points in zip(fitting, scores, strict=True) if points == top]


def _by_category(fitting: list, given: list[Type]) -> list:
    """For literals of unknown type: the string category if any candidate takes it, else the one
    category all agree on; then the preferred type within it."""
    for i, type_ in enumerate(given):
        if type_ is not UNKNOWN:
            continue
        categories = {args[i].category for _, args in fitting}
        if "S" in categories:
            chosen = "S"
        elif len(categories) == 1:
            (chosen,) = categories
        else:
            continue
        fitting = [(f, a) for f, a in fitting if a[i].category == chosen]
        preferred = [(f, a) for f, a in fitting if a[i].preferred]
        if preferred:
            fitting = preferred
    return fitting


def _consistent(declared: Sequence[Type], given: Sequence[Type]) -> bool:
    """Whether polymorphic arguments can agree on one type."""
    element: Type | None = None
    for declared_type, type_ in zip(declared, given, strict=True):
        name = declared_type.name
        if name not in _POLYMORPHIC or type_ is UNKNOWN:
            continue
        found: Type | None = base_type(type_)
        if name in ("anyarray", "anycompatiblearray"):
            assert found is not None
            found = found.element
        if name in ("anyrange", "anymultirange"):
            continue
        if element is None or element is found:
            element = found
        elif found is None or "compatible" not in name or not (
            can_cast(found, element) or can_cast(element, found)
        ):
            return False
    return True


def concrete(function: Function, given: Sequence[Type]) -> tuple[tuple[Type, ...], Type] | None:
    """Argument and result types of a call, polymorphic ones replaced; None if undeterminable.

    ANY stays what was given (unknown becomes text); variadic arguments are spread.
    """
    declared = _spread(function, len(given)) or function.args
    if not function.polymorphic:
        if ANY not in declared:
            return declared, function.result
        return tuple(
            (TEXT if g is UNKNOWN else g) if d is ANY else d
            for d, g in zip(declared, given, strict=True)
        ), function.result
    element: Type | None = None
    whole: Type | None = None
    for declared_type, type_ in zip(declared, given, strict=True):
        name = declared_type.name
        if name not in _POLYMORPHIC or type_ is UNKNOWN:
            continue
        found: Type | None = base_type(type_)
        if name in ("anyrange", "anymultirange"):
            whole = found
            continue
        if name in ("anyarray", "anycompatiblearray"):
            assert found is not None
            found = found.element
        if element is None or (found is not None and not can_cast(found, element)):
            element = found
    if whole is not None:
        element = element or _RANGE_ELEMENTS.get(whole.name)
    if element is None:
        element = TEXT
    array = element.array

    def replace(type_: Type, given_: Type | None) -> Type | None:
        name = type_.name
        if name in ("anyarray", "anycompatiblearray"):
            if given_ is not None and given_.element is element:
                return base_type(given_)
            return array
        if name in ("anyrange", "anymultirange"):
            return whole
        if name in _POLYMORPHIC:
            return element
        if type_ is ANY:
            return TEXT if given_ is UNKNOWN else given_
        return type_

    args = tuple(replace(d, g) for d, g in zip(declared, given, strict=True))
    result = replace(function.result, None)
    if result is None or None in args:
        return None
    return args, result  # type: ignore[return-value]


_RANGE_ELEMENTS = {
    "int4range": TYPES["int4"], "int8range": TYPES["int8"], "numrange": TYPES["numeric"],
    "daterange": TYPES["date"], "tsrange": TYPES["timestamp"], "tstzrange": TYPES["timestamptz"],
}  # fmt: skip


def common_type(given: Sequence[Type]) -> Type | None:
    """The type that CASE branches, UNION columns, VALUES rows, ... become (manual 10.5)."""
    first = given[0]
    if all(g is first for g in given) and first is not UNKNOWN:
        return first
    chosen: Type | None = None
    for type_ in given:
        plain = base_type(type_)
        if plain is UNKNOWN:
            continue
        if chosen is None:
            chosen = plain
        elif chosen is not plain:
            if chosen.category != plain.category:
                return None
            if can_cast(chosen, plain) and not can_cast(plain, chosen):
                chosen = plain
    return chosen or TEXT


_own: dict[tuple[str, Type], Function | None] = {}


def own_operator(op: str, type_: Type) -> Function | None:
    """The operator of a type with itself, through what it implicitly converts to."""
    key = (op, type_)
    if key not in _own:
        found = resolve(operators(op), (type_, type_))
        _own[key] = found if isinstance(found, Function) else None
    return _own[key]


def equality(type_: Type) -> Function | None:
    """The operator = of a type with itself."""
    return own_operator("=", type_)


