"""SQL types: PostgreSQL's OIDs, names and categories, and which conversions happen by themselves.

A `Type` is a shared, immutable description; two expressions have the same type exactly when their
`type` is the same object.  A type modifier (the 10 of varchar(10)) travels beside the type as
`typmod`, in PostgreSQL's encoding, -1 when absent.

Values of constants, statistics and parameters, wherever this package or its user holds one:

    bool            True/False           date                   int, days since 2000-01-01
    int2 int4 int8  int                  time                   int, microseconds since midnight
    oid and reg*    int                  timestamp timestamptz  int, microseconds since 2000-01-01
    UTC
    float4 float8   float                interval               (months, days, microseconds)
    numeric         decimal.Decimal      timetz                 (microseconds, seconds west of UTC)
    text and kin    str                  uuid                   bytes of length 16
    bytea           bytes                arrays                 tuple, nested for more dimensions
    json jsonb      str                  records                tuple
    any NULL        None                 infinite date, time    least/greatest int32 or int64

Conversions follow pg_cast: `i` happens anywhere, `a` when a value is stored into a column, `e` only
when written out.  What is not in the table: every type goes to a string type by assignment, every
string type to any type explicitly (through the text form), and an `unknown` literal to anything.
"""

from __future__ import annotations

IMPLICIT, ASSIGNMENT, EXPLICIT = "i", "a", "e"


class Type:
    """One SQL type.

    oid        PostgreSQL's object identifier
    name       the catalog name, e.g. "int4"; an array's is "_int4"
    title      the name people see, e.g. "integer"
    category   pg_type.typcategory: B N S D T A U P X V I E C R
    preferred  wins when an overload is ambiguous within its category
    length     bytes of a fixed-width value, -1 variable, -2 C string
    kind       pg_type.typtype: b base, p pseudo, e enum, c composite, d domain, r range, m
    multirange
    element    the element type of an array (or of int2vector/oidvector), else None
    array      the type of arrays of this, else None
    base       the base type of a domain, else None
    fields     of a composite: ((name, Type, typmod), ...)
    labels     of an enum: its labels in order
    """

    __slots__ = (
        "array", "base", "category", "element", "fields", "kind", "labels", "length", "name", "oid",
        "preferred", "schema", "title",
    )  # fmt: skip

    def __init__(
        self,
        oid: int,
        name: str,
        title: str = "",
        category: str = "U",
        preferred: bool = False,
        length: int = -1,
        kind: str = "b",
        element: Type | None = None,
        base: Type | None = None,
        schema: str = "pg_catalog",
        fields: tuple = (),
        labels: tuple[str, ...] = (),
    ) -> None:
        self.oid = oid
        self.name = name
        self.title = title or name
        self.category = category
        self.preferred = preferred
        self.length = length
        self.kind = kind
        self.element = element
        self.array: Type | None = None
        self.base = base
        self.schema = schema
        self.fields = fields
        self.labels = labels

    def __repr__(self) -> str:
        return self.title

    def array_of(self, oid: int) -> Type:
        """Make (and remember) the array type over this one."""
        self.array = Type(oid, "_" + self.name, self.title + "[]", "A", element=self,
                          schema=self.schema)
        return self.array


# name, title, oid, array oid, length, category (upper case: preferred in it)
_BASE = """
bool         boolean                          16 1000  1 B!
bytea        bytea                            17 1001 -1 U
char         "char"                           18 1002  1 Z
name         name                             19 1003 64 S
int8         bigint                           20 1016  8 N
int2         smallint                         21 1005  2 N
int4         integer                          23 1007  4 N
regproc      regproc                          24 1008  4 N
text         text                             25 1009 -1 S!
oid          oid                              26 1028  4 N!
tid          tid                              27 1010  6 U
xid          xid                              28 1011  4 U
cid          cid                              29 1012  4 U
json         json                            114  199 -1 U
xml          xml                             142  143 -1 U
pg_node_tree pg_node_tree                    194    0 -1 Z
cidr         cidr                            650  651 -1 I
float4       real                            700 1021  4 N
float8       double_precision                701 1022  8 N!
unknown      unknown                         705    0 -2 X
macaddr      macaddr                         829 1040  6 U
inet         inet                            869 1041 -1 I!
aclitem      aclitem                        1033 1034 12 U
bpchar       character                      1042 1014 -1 S
varchar      character_varying              1043 1015 -1 S
date         date                           1082 1182  4 D
time         time_without_time_zone         1083 1183  8 D
timestamp    timestamp_without_time_zone    1114 1115  8 D
timestamptz  timestamp_with_time_zone       1184 1185  8 D!
interval     interval                       1186 1187 16 T!
timetz       time_with_time_zone            1266 1270 12 D
bit          bit                            1560 1561 -1 V
varbit       bit_varying                    1562 1563 -1 V!
numeric      numeric                        1700 1231 -1 N
refcursor    refcursor                      1790 2201 -1 U
regprocedure regprocedure                   2202 2207  4 N
regoper      regoper                        2203 2208  4 N
regoperator  regoperator                    2204 2209  4 N
regclass     regclass                       2205 2210  4 N
regtype      regtype                        2206 2211  4 N
uuid         uuid                           2950 2951 16 U
pg_lsn       pg_lsn                         3220 3221  8 U
jsonb        jsonb                          3802 3807 -1 U
jsonpath     jsonpath                       4072 4073 -1 U
regnamespace regnamespace                   4089 4090  4 N
regrole      regrole                        4096 4097  4 N
regcollation regcollation                   4191 4192  4 N
xid8         xid8                           5069  271  8 U
"""

_PSEUDO = """
record 2249  cstring 2275  any 2276  anyarray 2277  void 2278  trigger 2279  internal 2281
anyelement 2283  anynonarray 2776  anyenum 3500  anyrange 3831  anymultirange 4537
anycompatible 5077  anycompatiblearray 5078  anycompatiblenonarray 5079  event_trigger 3838
"""

TYPES: dict[str, Type] = {}
BY_OID: dict[int, Type] = {}


def _register(type_: Type) -> Type:
    TYPES[type_.name] = BY_OID[type_.oid] = type_
    return type_


for _line in _BASE.split("\n")[1:-1]:
    _name, _title, _oid, _array, _length, _category = _line.split()
    _type = _register(
        Type(int(_oid), _name, _title.replace("_", " ") if _title[:3] != "pg_" else _title,
             _category[0], _category.endswith("!"), int(_length))
    )
    if int(_array):
        _register(_type.array_of(int(_array)))

_words = _PSEUDO.split()
for _name, _oid in zip(_words[::2], _words[1::2], strict=True):
    _register(Type(int(_oid), _name, category="P", length=-1, kind="p"))
_register(TYPES["record"].array_of(2287))

for _name, _vector, _vectors, _element in (
    ("int2vector", 22, 1006, "int2"), ("oidvector", 30, 1013, "oid"),
):  # fmt: skip
    _type = _register(Type(_vector, _name, category="A", element=TYPES[_element]))
    _register(_type.array_of(_vectors))

for _name, _range, _ranges, _multi in (
    ("int4range", 3904, 3905, 4451), ("numrange", 3906, 3907, 4532),
    ("tsrange", 3908, 3909, 4533), ("tstzrange", 3910, 3911, 4534),
    ("daterange", 3912, 3913, 4535), ("int8range", 3926, 3927, 4536),
):  # fmt: skip
    _register(_register(Type(_range, _name, category="R", kind="r")).array_of(_ranges))
    _register(Type(_multi, _name.replace("range", "multirange"), category="R", kind="m"))

BOOL, BYTEA, INT2, INT4, INT8 = (TYPES[n] for n in ("bool", "bytea", "int2", "int4", "int8"))
FLOAT4, FLOAT8, NUMERIC, TEXT = (TYPES[n] for n in ("float4", "float8", "numeric", "text"))
VARCHAR, BPCHAR, NAME, CHAR = (TYPES[n] for n in ("varchar", "bpchar", "name", "char"))
DATE, TIME, TIMETZ, TIMESTAMP = (TYPES[n] for n in ("date", "time", "timetz", "timestamp"))
TIMESTAMPTZ, INTERVAL, UNKNOWN = (TYPES[n] for n in ("timestamptz", "interval", "unknown"))
OID, TID, XID, CID = (TYPES[n] for n in ("oid", "tid", "xid", "cid"))
RECORD, VOID, ANY = (TYPES[n] for n in ("record", "void", "any"))
JSON, JSONB, UUID, REGCLASS = (TYPES[n] for n in ("json", "jsonb", "uuid", "regclass"))

# The words of SQL that are not catalog names.
SYNONYMS = {
    "boolean": "bool", "smallint": "int2", "integer": "int4", "int": "int4", "bigint": "int8",
    "real": "float4", "decimal": "numeric", "dec": "numeric", "character": "bpchar",
    "serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8",
    "smallserial": "int2", "serial2": "int2",
}  # fmt: skip

_CASTS = """
int2: int4i int8i float4i float8i numerici
int4: int2a int8i float4i float8i numerici boole oidi chare bite REGi
int8: int2a int4a float4i float8i numerici oidi bite REGi
float4: int2a int4a int8a float8i numerica
float8: int2a int4a int8a float4a numerica
numeric: int2a int4a int8a float4i float8i
bool: int4e texta varchara bpchara
text: bpchari varchari namei chara regclassi xmle
varchar: texti bpchari namei chara regclassi xmle
bpchar: texti varchari namei chara xmle
name: texti varchara bpchara
char: texti varchara bpchara int4e
oid: int4a int8i REGi
regproc: oidi int4a int8a regprocedurei
regclass: oidi int4a int8a
regtype: oidi int4a int8a
regoper: oidi int4a int8a regoperatori
regprocedure: oidi int4a int8a regproci
regoperator: oidi int4a int8a regoperi
regnamespace: oidi int4a int8a
regrole: oidi int4a int8a
regcollation: oidi int4a int8a
date: timestampi timestamptzi
time: intervali timetzi
timetz: timea
timestamp: datea timea timestamptzi
timestamptz: datea timea timestampa timetza
interval: timea
json: jsonba
jsonb: jsona boole numerice int2e int4e int8e float4e float8e
bit: varbiti int4e int8e
varbit: biti
cidr: ineti texta varchara bpchara
inet: cidra texta varchara bpchara
xml: texta varchara bpchara
pg_node_tree: texti
xid8: xide
int2vector: _int2i
oidvector: _oidi
"""
_REG = "regproc regprocedure regoper regoperator regclass regtype regnamespace regrole regcollation"

CASTS: dict[tuple[int, int], str] = {}
for _line in _CASTS.split("\n")[1:-1]:
    _source, _targets = _line.split(":")
    for _target in _targets.split():
        _names = _REG.split() if _target[:-1] == "REG" else [_target[:-1]]
        for _name in _names:
            CASTS[TYPES[_source].oid, TYPES[_name].oid] = _target[-1]

_RANK = {IMPLICIT: 0, ASSIGNMENT: 1, EXPLICIT: 2}


def can_cast(source: Type, target: Type, context: str = IMPLICIT) -> bool:
    """Whether `source` converts to `target` in a context: IMPLICIT, ASSIGNMENT or EXPLICIT."""
    if source is target or source is UNKNOWN:
        return True
    how = CASTS.get((source.oid, target.oid))
    if how is not None and _RANK[how] <= _RANK[context]:
        return True
    if source.kind == "d":
        assert source.base is not None
        return can_cast(source.base, target, context)
    if target.kind == "d":
        assert target.base is not None
        return context != IMPLICIT and can_cast(source, target.base, context)
    if source.element is not None and target.element is not None:
        if source.category == "A" and target.category == "A":
            return can_cast(source.element, target.element, context)
    elif source.category == "S" or target.category == "S":
        if context == EXPLICIT:
            return source.kind != "p" or source is RECORD
        return context == ASSIGNMENT and target.category == "S" and source.kind != "p"
    if source.kind == "c" and target is RECORD:
        return True
    if source is RECORD and target.kind == "c":
        return context == EXPLICIT
    # Arrays meet strings through their text form, as scalars do.
    if context == EXPLICIT:
        return source.category == "S" or target.category == "S"
    return context == ASSIGNMENT and target.category == "S"


def base_type(type_: Type) -> Type:
    """The type under any number of domains."""
    while type_.kind == "d":
        assert type_.base is not None
        type_ = type_.base
    return type_


def title(type_: Type, typmod: int = -1) -> str:
    """The name of a type with its modifier, as format_type() prints it: "numeric(10,2)"."""
    if type_.category == "A" and type_.element is not None and type_.name[0] == "_":
        return title(type_.element, typmod) + "[]"
    if typmod < 0:
        return type_.title
    if type_ is NUMERIC:
        packed = typmod - 4
        scale = (packed & 0x7FF) ^ 0x400
        return f"numeric({packed >> 16 & 0xFFFF},{scale - 0x400})"
    if type_ in (VARCHAR, BPCHAR):
        return f"{type_.title}({typmod - 4})"
    if type_.category == "V":
        return f"{type_.title}({typmod})"
    if type_ is INTERVAL:
        precision = typmod & 0xFFFF
        return "interval" if precision == 0xFFFF else f"interval({precision})"
    if type_.category == "D":
        first, _, rest = type_.title.partition(" ")
        return f"{first}({typmod}) {rest}".rstrip()
    return type_.title


def encode_typmod(type_: Type, numbers: tuple[int, ...]) -> int:
    """PostgreSQL's one-number form of the modifiers written after a type name."""
    if not numbers:
        return -1
    if type_.category == "A" and type_.element is not None:
        return encode_typmod(type_.element, numbers)
    if type_ is NUMERIC:
        scale = numbers[1] if len(numbers) > 1 else 0
        return (numbers[0] << 16 | scale & 0x7FF) + 4
    if type_ in (VARCHAR, BPCHAR):
        return numbers[0] + 4
    return numbers[0]
