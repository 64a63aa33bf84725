"""When does one JSON Schema accept every document that another does?

`problems(reader, writer)` names what may be valid for the writer's schema and not for the reader's,
by JSON pointer; none means that nothing was found.  It goes through both schemas side by side:

    types, enum and const, bounds (minimum, maxLength, ...), required, properties, items, patterns,
    additionalProperties, anyOf, oneOf, allOf, $ref within the schema

The reader may be wider, never narrower.  A property that only the reader knows is a problem while
the writer's content model is open, as anything might stand there.  What cannot be compared (not,
if, dependencies) must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = Any  # a dict, or a bool
Seen = frozenset[tuple[int, int]]

# keyword -> whether the reader's value must not be above (+1) or below (-1) the writer's
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
OPAQUE = ("not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies",
          "contains", "propertyNames", "pattern", "patternProperties", "unevaluatedProperties",
          "unevaluatedItems")
TYPES = ("null", "boolean", "object", "array", "number", "string", "integer")


def problems(reader: Schema, writer: Schema) -> list[str]:
    """What a document of the writer's might run into."""
    return list(_Comparison(reader, writer).compare(reader, writer, "#", frozenset()))


class _Comparison:
    """Two documents; their roots are what `$ref` is resolved in."""

    def __init__(self, reader: Schema, writer: Schema):
        self._roots = (reader, writer)

    def _resolved(self, schema: Schema, side: int) -> Schema:
        hops = 0
        while isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and hops < 32:
            target = _pointer(self._roots[side], schema["$ref"])
            if target is None:
                return schema
            schema, hops = target, hops + 1
        return schema

    def compare(self, reader: Schema, writer: Schema, at: str, seen: Seen) -> Iterator[str]:
        reader, writer = self._resolved(reader, 0), self._resolved(writer, 1)
        pair = (id(reader), id(writer))
        if pair in seen or reader is True or reader == {} or writer is False or reader == writer:
            return
        seen |= {pair}
        if reader is False or not isinstance(reader, dict):
            yield f"{at}: nothing is accepted any more"
            return
        writer = {} if writer is True else writer
        if "enum" in writer or "const" in writer:
            yield from self._values(reader, writer, at)
            return
        for keyword in ("anyOf", "oneOf"):
            if keyword in writer:
                for i, branch in enumerate(writer[keyword]):
                    yield from self.compare(reader, branch, f"{at}/{keyword}/{i}", seen)
                return
        for i, branch in enumerate(reader.get("allOf", ())):
            yield from self.compare(branch, writer, f"{at}/allOf/{i}", seen)
        if "allOf" in writer:
            writer = _together([self._resolved(each, 1) for each in writer["allOf"]], writer)
        for keyword in ("anyOf", "oneOf"):
            branches = reader.get(keyword)
            if branches and not any(
                not list(self.compare(branch, writer, at, seen)) for branch in branches
            ):
                yield f"{at}/{keyword}: no branch accepts all that was accepted"
        yield from self._plain(reader, writer, at, seen)

    def _values(self, reader: dict, writer: dict, at: str) -> Iterator[str]:
        """The writer has a list of values: each is tried."""
        from jsonschema import ValidationError
        from jsonschema.validators import validator_for

        root = self._roots[0]
        checker = validator_for(root if isinstance(root, dict) else {})(reader)
        for value in writer.get("enum", [writer.get("const")]):
            try:
                checker.validate(value)
            except ValidationError as exc:
                yield f"{at}: {value!r} is not accepted any more: {exc.message}"

    def _plain(self, reader: dict, writer: dict, at: str, seen: Seen) -> Iterator[str]:
        if "enum" in reader or "const" in reader:
            yield f"{at}: the values are limited now"
        narrowed = _types(writer) - _types(reader)
        if narrowed:
            yield f"{at}/type: {', '.join(sorted(narrowed))} not accepted any more"
        types = _types(writer)
        if types & {"number", "integer", "string", "array", "object"}:
            yield from _bounds(reader, writer, at)
        for keyword in OPAQUE:
            if keyword in reader and reader[keyword] != writer.get(keyword):
                yield f"{at}/{keyword}: changed, or new"
        if "object" in types:
            yield from self._object(reader, writer, at, seen)
        if "array" in types:
            yield from self._array(reader, writer, at, seen)

    def _object(self, reader: dict, writer: dict, at: str, seen: Seen) -> Iterator[str]:
        read, written = reader.get("properties", {}), writer.get("properties", {})
        others = writer.get("additionalProperties", True)
        for name in reader.get("required", ()):
            default = isinstance(read.get(name), dict) and "default" in read[name]
            if name not in writer.get("required", ()) and not default:
                yield f"{at}/required: {name!r} is required now"
        for name, schema in read.items():
            where = f"{at}/properties/{name}"
            if name in written:
                yield from self.compare(schema, written[name], where, seen)
            elif others is not False:
                for problem in self.compare(schema, others, where, seen):
                    yield f"{problem} (anything could stand there before)"
        for name, schema in written.items():
            if name not in read:
                more = reader.get("additionalProperties", True)
                yield from self.compare(more, schema, f"{at}/properties/{name}", seen)
        if others is not False:
            more = reader.get("additionalProperties", True)
            yield from self.compare(more, others, f"{at}/additionalProperties", seen)

    def _array(self, reader: dict, writer: dict, at: str, seen: Seen) -> Iterator[str]:
        if reader.get("uniqueItems") and not writer.get("uniqueItems"):
            yield f"{at}/uniqueItems: required now"
        (first_read, rest_read), (first_written, rest_written) = _items(reader), _items(writer)
        for i in range(max(len(first_read), len(first_written))):
            one = first_read[i] if i < len(first_read) else rest_read
            other = first_written[i] if i < len(first_written) else rest_written
            yield from self.compare(one, other, f"{at}/items/{i}", seen)
        yield from self.compare(rest_read, rest_written, f"{at}/items", seen)


def _pointer(root: Schema, reference: str) -> Schema | None:
    """What a reference within the document points at; None for one that points elsewhere."""
    if not reference.startswith("#"):
        return None
    for part in reference[1:].split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(root, dict) or part not in root:
            return None
        root = root[part]
    return root


def _types(schema: dict) -> set[str]:
    """The types a schema accepts, as it says; an integer is a number."""
    named = schema.get("type", TYPES)
    types = {named} if isinstance(named, str) else set(named)
    return types | {"integer"} if "number" in types else types


def _bounds(reader: dict, writer: dict, at: str) -> Iterator[str]:
    for keyword in LOWER:
        if keyword in reader and not writer.get(keyword, float("-inf")) >= reader[keyword]:
            yield f"{at}/{keyword}: {reader[keyword]} is more than before"
    for keyword in UPPER:
        if keyword in reader and not writer.get(keyword, float("inf")) <= reader[keyword]:
            yield f"{at}/{keyword}: {reader[keyword]} is less than before"
    step, before = reader.get("multipleOf"), writer.get("multipleOf")
    if step is not None and (before is None or before % step):
        yield f"{at}/multipleOf: {step} does not divide what was accepted"


def _items(schema: dict) -> tuple[list[Schema], Schema]:
    """(schemas of the first elements, schema of the rest), of any draft."""
    items = schema.get("items", True)
    if isinstance(items, list):
        return items, schema.get("additionalItems", True)
    return schema.get("prefixItems", []), items


def _together(parts: list[Schema], rest: dict) -> dict:
    """A schema that accepts at least what all of `parts` and `rest` accept."""
    merged: dict[str, Any] = {k: v for k, v in rest.items() if k != "allOf"}
    for part in parts:
        if not isinstance(part, dict):
            continue
        for keyword, value in part.items():
            if keyword == "properties":
                merged[keyword] = {**value, **merged.get(keyword, {})}
            elif keyword == "required":
                merged[keyword] = [*merged.get(keyword, ()), *value]
            else:
                merged.setdefault(keyword, value)
    return merged
