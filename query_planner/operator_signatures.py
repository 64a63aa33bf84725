"""The built-in operators, as PostgreSQL declares them: `op left right result`, one a line."""

# Types that compare with all of = <> < <= > >= among themselves.
COMPARABLE = """
bool "char" name int2 int4 int8 text oid float4 float8 numeric bpchar bytea date time timetz
timestamp timestamptz interval uuid inet macaddr bit varbit jsonb pg_lsn tid xid8 oidvector
anyarray anyenum anyrange anymultirange record
"""
# Pairs of different types that do too.
CROSS_COMPARABLE = """
int2,int4 int2,int8 int4,int2 int4,int8 int8,int2 int8,int4 float4,float8 float8,float4
date,timestamp date,timestamptz timestamp,date timestamptz,date timestamp,timestamptz
timestamptz,timestamp name,text text,name
"""

OPERATORS = """
= xid xid bool
<> xid xid bool
= xid int4 bool
<> xid int4 bool
= cid cid bool
= aclitem aclitem bool
+ int2 int2 int2
+ int4 int4 int4
+ int8 int8 int8
+ int2 int4 int4
+ int4 int2 int4
+ int2 int8 int8
+ int8 int2 int8
+ int4 int8 int8
+ int8 int4 int8
+ float4 float4 float4
+ float8 float8 float8
+ float4 float8 float8
+ float8 float4 float8
+ numeric numeric numeric
+ date int4 date
+ int4 date date
+ date time timestamp
+ time date timestamp
+ date timetz timestamptz
+ date interval timestamp
+ interval date timestamp
+ timestamp interval timestamp
+ interval timestamp timestamp
+ timestamptz interval timestamptz
+ interval timestamptz timestamptz
+ interval interval interval
+ time interval time
+ interval time time
+ timetz interval timetz
+ interval timetz timetz
+ pg_lsn numeric pg_lsn
+ inet int8 inet
+ anyrange anyrange anyrange
- int2 int2 int2
- int4 int4 int4
- int8 int8 int8
- int2 int4 int4
- int4 int2 int4
- int2 int8 int8
- int8 int2 int8
- int4 int8 int8
- int8 int4 int8
- float4 float4 float4
- float8 float8 float8
- float4 float8 float8
- float8 float4 float8
- numeric numeric numeric
- date date int4
- date int4 date
- date interval timestamp
- timestamp timestamp interval
- timestamptz timestamptz interval
- timestamp interval timestamp
- timestamptz interval timestamptz
- interval interval interval
- time time interval
- time interval time
- timetz interval timetz
- pg_lsn pg_lsn numeric
- pg_lsn numeric pg_lsn
- inet inet int8
- inet int8 inet
- jsonb text jsonb
- jsonb int4 jsonb
- jsonb _text jsonb
- anyrange anyrange anyrange
* int2 int2 int2
* int4 int4 int4
* int8 int8 int8
* int2 int4 int4
* int4 int2 int4
* int2 int8 int8
* int8 int2 int8
* int4 int8 int8
* int8 int4 int8
* float4 float4 float4
* float8 float8 float8
* float4 float8 float8
* float8 float4 float8
* numeric numeric numeric
* interval float8 interval
* float8 interval interval
* anyrange anyrange anyrange
/ int2 int2 int2
/ int4 int4 int4
/ int8 int8 int8
/ int2 int4 int4
/ int4 int2 int4
/ int2 int8 int8
/ int8 int2 int8
/ int4 int8 int8
/ int8 int4 int8
/ float4 float4 float4
/ float8 float8 float8
/ float4 float8 float8
/ float8 float4 float8
/ numeric numeric numeric
/ interval float8 interval
% int2 int2 int2
% int4 int4 int4
% int8 int8 int8
% numeric numeric numeric
^ float8 float8 float8
^ numeric numeric numeric
& int2 int2 int2
& int4 int4 int4
& int8 int8 int8
& bit bit bit
| int2 int2 int2
| int4 int4 int4
| int8 int8 int8
| bit bit bit
# int2 int2 int2
# int4 int4 int4
# int8 int8 int8
# bit bit bit
<< int2 int4 int2
<< int4 int4 int4
<< int8 int4 int8
<< bit int4 bit
>> int2 int4 int2
>> int4 int4 int4
>> int8 int4 int8
>> bit int4 bit
<< inet inet bool
<<= inet inet bool
>> inet inet bool
>>= inet inet bool
&& inet inet bool
<< anyrange anyrange bool
>> anyrange anyrange bool
-|- anyrange anyrange bool
@> anyrange anyrange bool
@> anyrange anyelement bool
<@ anyrange anyrange bool
<@ anyelement anyrange bool
&& anyrange anyrange bool
|| text text text
|| text anynonarray text
|| anynonarray text text
|| bytea bytea bytea
|| bit bit bit
|| varbit varbit varbit
|| jsonb jsonb jsonb
|| anycompatiblearray anycompatiblearray anycompatiblearray
|| anycompatiblearray anycompatible anycompatiblearray
|| anycompatible anycompatiblearray anycompatiblearray
&& anyarray anyarray bool
@> anyarray anyarray bool
<@ anyarray anyarray bool
~~ text text bool
!~~ text text bool
~~* text text bool
!~~* text text bool
~~ name text bool
!~~ name text bool
~~* name text bool
!~~* name text bool
~~ bpchar text bool
!~~ bpchar text bool
~~* bpchar text bool
!~~* bpchar text bool
~~ bytea bytea bool
!~~ bytea bytea bool
~ text text bool
!~ text text bool
~* text text bool
!~* text text bool
~ name text bool
!~ name text bool
~* name text bool
!~* name text bool
~ bpchar text bool
!~ bpchar text bool
~* bpchar text bool
!~* bpchar text bool
^@ text text bool
~<~ text text bool
~<=~ text text bool
~>~ text text bool
~>=~ text text bool
-> json text json
-> json int4 json
->> json text text
->> json int4 text
#> json _text json
#>> json _text text
-> jsonb text jsonb
-> jsonb int4 jsonb
->> jsonb text text
->> jsonb int4 text
#> jsonb _text jsonb
#>> jsonb _text text
#- jsonb _text jsonb
@> jsonb jsonb bool
<@ jsonb jsonb bool
? jsonb text bool
?| jsonb _text bool
?& jsonb _text bool
@? jsonb jsonpath bool
@@ jsonb jsonpath bool
"""

PREFIX_OPERATORS = """
- int2 int2
- int4 int4
- int8 int8
- float4 float4
- float8 float8
- numeric numeric
- interval interval
+ int2 int2
+ int4 int4
+ int8 int8
+ float4 float4
+ float8 float8
+ numeric numeric
~ int2 int2
~ int4 int4
~ int8 int8
~ bit bit
@ int2 int2
@ int4 int4
@ int8 int8
@ float4 float4
@ float8 float8
@ numeric numeric
|/ float8 float8
||/ float8 float8
!! int8 numeric
"""
