"""The words of SQL that may not be used freely as names, by PostgreSQL's categories.

Words that are keywords but not in here ("unreserved", e.g. "over", "year") are ordinary identifiers
which the grammar recognises by place.
"""

COLUMN_NAME = 2  # may name a column or table, not a function or type
TYPE_FUNCTION = 3  # may name a function or type, not a column or table
RESERVED = 4

_COLUMN_NAME = """
between bigint bit boolean char character coalesce dec decimal exists extract float greatest
grouping inout int integer interval least national nchar none normalize nullif numeric out overlay
position precision real row setof smallint substring time timestamp treat trim values varchar
xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
xmlserialize xmltable
"""
_TYPE_FUNCTION = """
authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull
join left like natural notnull outer overlaps right similar tablesample verbose
"""
_RESERVED = """
all analyse analyze and any array as asc asymmetric both case cast check collate column constraint
create current_catalog current_date current_role current_time current_timestamp current_user default
deferrable desc distinct do else end except false fetch for foreign from grant group having in
initially intersect into lateral leading limit localtime localtimestamp not null offset on only or
order placing primary references returning select session_user some symmetric table then to trailing
true union unique user using variadic when where window with
"""
# A result column is named by these only after AS.
NEEDS_AS = frozenset("""
array as char character create day except fetch filter for from grant group having hour intersect
into isnull limit minute month notnull offset on order over overlaps precision returning second to
union varying where window with within without year
""".split())

KEYWORDS = {
    word: category
    for category, words in (
        (COLUMN_NAME, _COLUMN_NAME), (TYPE_FUNCTION, _TYPE_FUNCTION), (RESERVED, _RESERVED),
    )
    for word in words.split()
}
