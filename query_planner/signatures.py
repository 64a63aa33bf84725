# ruff: noqa: E501 - one signature a line
"""The built-in functions, aggregates and window functions, as PostgreSQL declares them.

One signature a line: `name(arguments) result flags`.  `a|b` in an argument stands for one signature
each; `=` as result is the type of the first argument; `*type` is a variadic argument.  Flags:
`s` stable, `v` volatile (else immutable); `n` called even when an argument is null; `r` returns a
set.
"""

FUNCTIONS = """
abs(int2|int4|int8|float4|float8|numeric) =
ceil(float8|numeric) =
ceiling(float8|numeric) =
floor(float8|numeric) =
round(float8|numeric) =
round(numeric,int4) numeric
trunc(float8|numeric) =
trunc(numeric,int4) numeric
sign(float8|numeric) =
sqrt(float8|numeric) =
cbrt(float8) float8
exp(float8|numeric) =
ln(float8|numeric) =
log(float8|numeric) =
log10(float8|numeric) =
log(numeric,numeric) numeric
power(float8,float8) float8
power(numeric,numeric) numeric
pow(float8,float8) float8
pow(numeric,numeric) numeric
mod(int2,int2) int2
mod(int4,int4) int4
mod(int8,int8) int8
mod(numeric,numeric) numeric
div(numeric,numeric) numeric
gcd(int4,int4) int4
gcd(int8,int8) int8
gcd(numeric,numeric) numeric
lcm(int4,int4) int4
lcm(int8,int8) int8
lcm(numeric,numeric) numeric
factorial(int8) numeric
scale(numeric) int4
min_scale(numeric) int4
trim_scale(numeric) numeric
width_bucket(float8,float8,float8,int4) int4
width_bucket(numeric,numeric,numeric,int4) int4
width_bucket(anycompatible,anycompatiblearray) int4
degrees(float8) float8
radians(float8) float8
pi() float8
sin(float8) float8
cos(float8) float8
tan(float8) float8
cot(float8) float8
asin(float8) float8
acos(float8) float8
atan(float8) float8
atan2(float8,float8) float8
sind(float8) float8
cosd(float8) float8
tand(float8) float8
cotd(float8) float8
asind(float8) float8
acosd(float8) float8
atand(float8) float8
atan2d(float8,float8) float8
sinh(float8) float8
cosh(float8) float8
tanh(float8) float8
asinh(float8) float8
acosh(float8) float8
atanh(float8) float8
random() float8 v
setseed(float8) void v
bit_count(bytea|bit) int8
numeric_inc(numeric) numeric
hashint4(int4) int4
hashtext(text) int4
bool(int4) bool
int2(int4|int8|float4|float8|numeric) int2
int4(int2|int8|float4|float8|numeric|bool|"char") int4
int8(int2|int4|float4|float8|numeric|oid) int8
float4(int2|int4|int8|float8|numeric) float4
float8(int2|int4|int8|float4|numeric) float8
numeric(int2|int4|int8|float4|float8) numeric
text(bpchar|name|"char"|bool) text
varchar(name) varchar
bpchar(name) bpchar
name(text|varchar|bpchar) name
date(timestamp) date
date(timestamptz) date s
timestamp(date) timestamp
timestamp(timestamptz) timestamp s
timestamptz(date|timestamp) timestamptz s
interval(time) interval
oid(int8) oid
length(text|bpchar|bytea|bit) int4
char_length(text|bpchar) int4
character_length(text|bpchar) int4
octet_length(text|bpchar|bytea|bit) int4
bit_length(text|bytea|bit) int4
lower(text) text
upper(text) text
initcap(text) text
substr(text,int4) text
substr(text,int4,int4) text
substr(bytea,int4) bytea
substr(bytea,int4,int4) bytea
substring(text,int4) text
substring(text,int4,int4) text
substring(text,text) text
substring(text,text,text) text
substring(bytea,int4) bytea
substring(bytea,int4,int4) bytea
substring(bit,int4) bit
substring(bit,int4,int4) bit
overlay(text,text,int4) text
overlay(text,text,int4,int4) text
overlay(bytea,bytea,int4) bytea
overlay(bytea,bytea,int4,int4) bytea
position(text,text) int4
position(bytea,bytea) int4
strpos(text,text) int4
starts_with(text,text) bool
left(text,int4) text
right(text,int4) text
lpad(text,int4) text
lpad(text,int4,text) text
rpad(text,int4) text
rpad(text,int4,text) text
ltrim(text) text
ltrim(text,text) text
rtrim(text) text
rtrim(text,text) text
btrim(text) text
btrim(text,text) text
btrim(bytea,bytea) bytea
ltrim(bytea,bytea) bytea
rtrim(bytea,bytea) bytea
repeat(text,int4) text
reverse(text) text
replace(text,text,text) text
translate(text,text,text) text
split_part(text,text,int4) text
ascii(text) int4
chr(int4) text
concat(*any) text sn
concat_ws(text,*any) text sn
format(text) text sn
format(text,*any) text sn
quote_ident(text) text
quote_literal(text) text
quote_literal(anyelement) text s
quote_nullable(text) text n
quote_nullable(anyelement) text sn
md5(text|bytea) text
sha224(bytea) bytea
sha256(bytea) bytea
sha384(bytea) bytea
sha512(bytea) bytea
encode(bytea,text) text
decode(text,text) bytea
convert_from(bytea,name) text
convert_to(text,name) bytea
to_hex(int4|int8) text
to_ascii(text) text
get_byte(bytea,int4) int4
set_byte(bytea,int4,int4) bytea
get_bit(bytea,int8) int4
set_bit(bytea,int8,int4) bytea
get_bit(bit,int4) int4
set_bit(bit,int4,int4) bit
normalize(text) text
normalize(text,text) text
unistr(text) text
regexp_match(text,text) _text
regexp_match(text,text,text) _text
regexp_matches(text,text) _text r
regexp_matches(text,text,text) _text r
regexp_replace(text,text,text) text
regexp_replace(text,text,text,text) text
regexp_replace(text,text,text,int4) text
regexp_replace(text,text,text,int4,int4) text
regexp_replace(text,text,text,int4,int4,text) text
regexp_split_to_array(text,text) _text
regexp_split_to_array(text,text,text) _text
regexp_split_to_table(text,text) text r
regexp_split_to_table(text,text,text) text r
regexp_count(text,text) int4
regexp_count(text,text,int4) int4
regexp_count(text,text,int4,text) int4
regexp_instr(text,text) int4
regexp_like(text,text) bool
regexp_like(text,text,text) bool
regexp_substr(text,text) text
string_to_array(text,text) _text n
string_to_array(text,text,text) _text n
string_to_table(text,text) text nr
string_to_table(text,text,text) text nr
parse_ident(text) _text
parse_ident(text,bool) _text
like(text,text) bool
notlike(text,text) bool
like_escape(text,text) text
similar_to_escape(text) text
similar_to_escape(text,text) text
textlen(text) int4
textcat(text,text) text
now() timestamptz s
transaction_timestamp() timestamptz s
statement_timestamp() timestamptz s
clock_timestamp() timestamptz v
timeofday() text v
extract(text,date|time|timetz|timestamp|interval) numeric
extract(text,timestamptz) numeric s
date_part(text,date|time|timetz|timestamp|interval) float8
date_part(text,timestamptz) float8 s
date_trunc(text,timestamp) timestamp
date_trunc(text,timestamptz) timestamptz s
date_trunc(text,timestamptz,text) timestamptz s
date_trunc(text,interval) interval
date_bin(interval,timestamp,timestamp) timestamp
date_bin(interval,timestamptz,timestamptz) timestamptz
age(timestamp,timestamp) interval
age(timestamptz,timestamptz) interval s
age(timestamp|timestamptz) interval s
age(xid) int4 s
isfinite(date|timestamp|timestamptz|interval) bool
justify_days(interval) interval
justify_hours(interval) interval
justify_interval(interval) interval
make_date(int4,int4,int4) date
make_time(int4,int4,float8) time
make_timestamp(int4,int4,int4,int4,int4,float8) timestamp
make_timestamptz(int4,int4,int4,int4,int4,float8) timestamptz s
make_timestamptz(int4,int4,int4,int4,int4,float8,text) timestamptz s
make_interval() interval
make_interval(int4) interval
make_interval(int4,int4) interval
make_interval(int4,int4,int4) interval
make_interval(int4,int4,int4,int4) interval
make_interval(int4,int4,int4,int4,int4) interval
make_interval(int4,int4,int4,int4,int4,int4) interval
make_interval(int4,int4,int4,int4,int4,int4,float8) interval
timezone(text,timestamptz) timestamp
timezone(text,timestamp) timestamptz
timezone(text,timetz) timetz s
timezone(interval,timestamptz) timestamp
timezone(interval,timestamp) timestamptz
overlaps(timestamp,timestamp,timestamp,timestamp) bool n
overlaps(timestamptz,timestamptz,timestamptz,timestamptz) bool n
overlaps(time,time,time,time) bool n
overlaps(timestamp,interval,timestamp,interval) bool n
overlaps(timestamptz,interval,timestamptz,interval) bool sn
to_char(timestamp|timestamptz|interval|numeric|int4|int8|float4|float8,text) text s
to_date(text,text) date s
to_timestamp(text,text) timestamptz s
to_timestamp(float8) timestamptz
to_number(text,text) numeric s
array_append(anycompatiblearray,anycompatible) anycompatiblearray n
array_prepend(anycompatible,anycompatiblearray) anycompatiblearray n
array_cat(anycompatiblearray,anycompatiblearray) anycompatiblearray n
array_length(anyarray,int4) int4
array_ndims(anyarray) int4
array_dims(anyarray) text
array_lower(anyarray,int4) int4
array_upper(anyarray,int4) int4
array_fill(anyelement,_int4) anyarray n
array_fill(anyelement,_int4,_int4) anyarray n
array_position(anycompatiblearray,anycompatible) int4 n
array_position(anycompatiblearray,anycompatible,int4) int4 n
array_positions(anycompatiblearray,anycompatible) _int4 n
array_remove(anycompatiblearray,anycompatible) anycompatiblearray n
array_replace(anycompatiblearray,anycompatible,anycompatible) anycompatiblearray n
array_to_string(anyarray,text) text s
array_to_string(anyarray,text,text) text sn
trim_array(anyarray,int4) anyarray
cardinality(anyarray) int4
unnest(anyarray) anyelement r
generate_series(int4,int4) int4 r
generate_series(int4,int4,int4) int4 r
generate_series(int8,int8) int8 r
generate_series(int8,int8,int8) int8 r
generate_series(numeric,numeric) numeric r
generate_series(numeric,numeric,numeric) numeric r
generate_series(timestamp,timestamp,interval) timestamp r
generate_series(timestamptz,timestamptz,interval) timestamptz sr
generate_subscripts(anyarray,int4) int4 r
generate_subscripts(anyarray,int4,bool) int4 r
num_nulls(*any) int4 n
num_nonnulls(*any) int4 n
to_json(anyelement) json s
to_jsonb(anyelement) jsonb s
row_to_json(record) json s
row_to_json(record,bool) json s
array_to_json(anyarray) json s
array_to_json(anyarray,bool) json s
json_build_object() json sn
json_build_object(*any) json sn
json_build_array() json sn
json_build_array(*any) json sn
jsonb_build_object() jsonb sn
jsonb_build_object(*any) jsonb sn
jsonb_build_array() jsonb sn
jsonb_build_array(*any) jsonb sn
json_object(_text) json
json_object(_text,_text) json
jsonb_object(_text) jsonb
jsonb_object(_text,_text) jsonb
json_array_length(json) int4
jsonb_array_length(jsonb) int4
json_typeof(json) text
jsonb_typeof(jsonb) text
json_extract_path(json,*text) json
json_extract_path_text(json,*text) text
jsonb_extract_path(jsonb,*text) jsonb
jsonb_extract_path_text(jsonb,*text) text
json_array_elements(json) json r
json_array_elements_text(json) text r
jsonb_array_elements(jsonb) jsonb r
jsonb_array_elements_text(jsonb) text r
json_object_keys(json) text r
jsonb_object_keys(jsonb) text r
json_each(json) record{key:text,value:json} r
json_each_text(json) record{key:text,value:text} r
jsonb_each(jsonb) record{key:text,value:jsonb} r
jsonb_each_text(jsonb) record{key:text,value:text} r
json_strip_nulls(json) json
jsonb_strip_nulls(jsonb) jsonb
jsonb_pretty(jsonb) text
jsonb_set(jsonb,_text,jsonb) jsonb
jsonb_set(jsonb,_text,jsonb,bool) jsonb
jsonb_insert(jsonb,_text,jsonb) jsonb
jsonb_insert(jsonb,_text,jsonb,bool) jsonb
jsonb_concat(jsonb,jsonb) jsonb
jsonb_path_exists(jsonb,jsonpath) bool
jsonb_path_query(jsonb,jsonpath) jsonb r
jsonb_path_query_array(jsonb,jsonpath) jsonb
jsonb_path_query_first(jsonb,jsonpath) jsonb
jsonb_path_match(jsonb,jsonpath) bool
json_to_record(json) record
jsonb_to_record(jsonb) record
json_to_recordset(json) record r
jsonb_to_recordset(jsonb) record r
jsonb_populate_record(anyelement,jsonb) anyelement n
jsonb_populate_recordset(anyelement,jsonb) anyelement nr
gen_random_uuid() uuid v
nextval(regclass) int8 v
currval(regclass) int8 v
setval(regclass,int8) int8 v
setval(regclass,int8,bool) int8 v
lastval() int8 v
current_database() name s
current_catalog() name s
current_schema() name s
current_schemas(bool) _name s
current_user() name s
session_user() name s
user() name s
current_setting(text) text s
current_setting(text,bool) text s
set_config(text,text,bool) text vn
version() text s
pg_backend_pid() int4 s
pg_typeof(any) regtype sn
pg_sleep(float8) void v
pg_sleep_for(interval) void v
pg_notify(text,text) void vn
pg_listening_channels() text sr
pg_cancel_backend(int4) bool v
pg_terminate_backend(int4) bool v
pg_terminate_backend(int4,int8) bool v
pg_postmaster_start_time() timestamptz s
pg_conf_load_time() timestamptz s
pg_is_in_recovery() bool v
pg_is_wal_replay_paused() bool v
pg_current_wal_lsn() pg_lsn v
pg_current_wal_insert_lsn() pg_lsn v
pg_wal_lsn_diff(pg_lsn,pg_lsn) numeric
pg_last_wal_receive_lsn() pg_lsn v
pg_last_wal_replay_lsn() pg_lsn v
pg_current_xact_id() xid8 s
txid_current() int8 s
pg_xact_commit_timestamp(xid) timestamptz v
pg_export_snapshot() text v
pg_advisory_lock(int8) void v
pg_advisory_lock(int4,int4) void v
pg_advisory_xact_lock(int8) void v
pg_advisory_xact_lock(int4,int4) void v
pg_advisory_lock_shared(int8) void v
pg_try_advisory_lock(int8) bool v
pg_try_advisory_lock(int4,int4) bool v
pg_try_advisory_xact_lock(int8) bool v
pg_try_advisory_xact_lock(int4,int4) bool v
pg_advisory_unlock(int8) bool v
pg_advisory_unlock(int4,int4) bool v
pg_advisory_unlock_all() void v
pg_table_is_visible(oid) bool s
pg_type_is_visible(oid) bool s
pg_function_is_visible(oid) bool s
pg_operator_is_visible(oid) bool s
pg_opclass_is_visible(oid) bool s
pg_opfamily_is_visible(oid) bool s
pg_collation_is_visible(oid) bool s
pg_conversion_is_visible(oid) bool s
pg_statistics_obj_is_visible(oid) bool s
pg_ts_config_is_visible(oid) bool s
pg_ts_dict_is_visible(oid) bool s
pg_ts_parser_is_visible(oid) bool s
pg_ts_template_is_visible(oid) bool s
pg_get_userbyid(oid) name s
pg_get_expr(pg_node_tree,oid) text s
pg_get_expr(pg_node_tree,oid,bool) text s
pg_get_expr(text,oid) text s
pg_get_expr(text,oid,bool) text s
pg_get_indexdef(oid) text s
pg_get_indexdef(oid,int4,bool) text s
pg_get_constraintdef(oid) text s
pg_get_constraintdef(oid,bool) text s
pg_get_viewdef(oid) text s
pg_get_viewdef(oid,bool) text s
pg_get_viewdef(text) text s
pg_get_viewdef(text,bool) text s
pg_get_ruledef(oid) text s
pg_get_ruledef(oid,bool) text s
pg_get_triggerdef(oid) text s
pg_get_triggerdef(oid,bool) text s
pg_get_functiondef(oid) text s
pg_get_function_arguments(oid) text s
pg_get_function_identity_arguments(oid) text s
pg_get_function_result(oid) text s
pg_get_function_sqlbody(oid) text s
pg_get_function_arg_default(oid,int4) text s
pg_get_serial_sequence(text,text) text s
pg_get_partkeydef(oid) text s
pg_get_partition_constraintdef(oid) text s
pg_get_statisticsobjdef(oid) text s
pg_get_statisticsobjdef_columns(oid) text s
pg_get_keywords() record{word:text,catcode:"char",barelabel:bool,catdesc:text,baredesc:text} sr
pg_get_replica_identity_index(regclass) regclass s
pg_relation_is_publishable(regclass) bool s
pg_relation_is_updatable(regclass,bool) int4 s
pg_column_is_updatable(regclass,int2,bool) bool s
pg_index_column_has_property(regclass,int4,text) bool s
pg_indexam_has_property(oid,text) bool s
pg_index_has_property(regclass,text) bool s
pg_sequence_parameters(oid) record{start_value:int8,minimum_value:int8,maximum_value:int8,increment:int8,cycle_option:bool,cache_size:int8,data_type:oid} s
pg_sequence_last_value(regclass) int8 v
pg_options_to_table(_text) record{option_name:text,option_value:text} sr
pg_partition_ancestors(regclass) regclass sr
pg_partition_tree(regclass) record{relid:regclass,parentrelid:regclass,isleaf:bool,level:int4} sr
pg_tablespace_location(oid) text s
pg_tablespace_databases(oid) oid sr
pg_encoding_to_char(int4) name s
pg_char_to_encoding(name) int4 s
pg_client_encoding() name s
getdatabaseencoding() name s
pg_my_temp_schema() oid s
pg_is_other_temp_schema(oid) bool s
pg_relation_filenode(regclass) oid s
pg_relation_size(regclass) int8 v
pg_relation_size(regclass,text) int8 v
pg_table_size(regclass) int8 v
pg_indexes_size(regclass) int8 v
pg_total_relation_size(regclass) int8 v
pg_database_size(name|oid) int8 v
pg_tablespace_size(name|oid) int8 v
pg_column_size(any) int4 s
pg_size_pretty(int8|numeric) text
pg_size_bytes(text) int8
pg_stat_get_numscans(oid) int8 s
pg_stat_reset() void v
pg_blocking_pids(int4) _int4 v
pg_safe_snapshot_blocking_pids(int4) _int4 v
pg_show_all_settings() record{name:text,setting:text,unit:text,category:text,short_desc:text} sr
pg_input_is_valid(text,text) bool s
pg_lock_status() record{locktype:text,database:oid,relation:oid} vr
pg_prepared_xact() record{transaction:xid,gid:text,prepared:timestamptz,ownerid:oid,dbid:oid} vr
pg_timezone_names() record{name:text,abbrev:text,utc_offset:interval,is_dst:bool} sr
pg_available_extensions() record{name:name,default_version:text,comment:text} sr
pg_reload_conf() bool v
pg_rotate_logfile() bool v
pg_switch_wal() pg_lsn v
pg_describe_object(oid,oid,int4) text s
pg_identify_object(oid,oid,int4) record{type:text,schema:text,name:text,identity:text} s
pg_event_trigger_ddl_commands() record{classid:oid,objid:oid,objsubid:int4,command_tag:text,object_type:text,schema_name:text,object_identity:text,in_extension:bool} sr
format_type(oid,int4) text sn
obj_description(oid,name) text s
obj_description(oid) text s
col_description(oid,int4) text s
shobj_description(oid,name) text s
has_table_privilege(text|oid,text) bool s
has_table_privilege(name|oid,text|oid,text) bool s
has_column_privilege(text|oid,text|int2,text) bool s
has_any_column_privilege(text|oid,text) bool s
has_schema_privilege(text|oid,text) bool s
has_schema_privilege(name|oid,text|oid,text) bool s
has_database_privilege(text|oid,text) bool s
has_database_privilege(name,text|oid,text) bool s
has_function_privilege(text|oid,text) bool s
has_sequence_privilege(text|oid,text) bool s
has_sequence_privilege(name,text|oid,text) bool s
has_type_privilege(text|oid,text) bool s
has_tablespace_privilege(text|oid,text) bool s
has_language_privilege(text|oid,text) bool s
has_foreign_data_wrapper_privilege(text|oid,text) bool s
has_server_privilege(text|oid,text) bool s
pg_has_role(name|oid,text) bool s
pg_has_role(name|oid,name|oid,text) bool s
acldefault("char",oid) _aclitem
aclexplode(_aclitem) record{grantor:oid,grantee:oid,privilege_type:text,is_grantable:bool} sr
row_security_active(oid|text) bool s
to_regclass(text) regclass s
to_regtype(text) regtype s
to_regproc(text) regproc s
to_regprocedure(text) regprocedure s
to_regnamespace(text) regnamespace s
to_regrole(text) regrole s
to_regoper(text) regoper s
to_regcollation(text) regcollation s
regclass(text) regclass s
inet_client_addr() inet s
inet_client_port() int4 s
inet_server_addr() inet s
inet_server_port() int4 s
host(inet) text
masklen(inet) int4
family(inet) int4
network(inet) cidr
broadcast(inet) inet
netmask(inet) inet
abbrev(inet|cidr) text
set_masklen(inet,int4) inet
lo_get(oid) bytea v
currtid2(text,tid) tid v
txid_status(int8) text v
pg_snapshot_xmin(text) xid8
array_larger(anyarray,anyarray) anyarray
enum_range(anyenum) anyarray sn
enum_range(anyenum,anyenum) anyarray sn
enum_first(anyenum) anyenum sn
enum_last(anyenum) anyenum sn
int4range(int4,int4) int4range n
int4range(int4,int4,text) int4range n
int8range(int8,int8) int8range n
int8range(int8,int8,text) int8range n
numrange(numeric,numeric) numrange n
numrange(numeric,numeric,text) numrange n
daterange(date,date) daterange n
daterange(date,date,text) daterange n
tsrange(timestamp,timestamp) tsrange n
tsrange(timestamp,timestamp,text) tsrange n
tstzrange(timestamptz,timestamptz) tstzrange n
tstzrange(timestamptz,timestamptz,text) tstzrange n
isempty(anyrange) bool
lower_inc(anyrange) bool
upper_inc(anyrange) bool
lower_inf(anyrange) bool
upper_inf(anyrange) bool
xmin(xid) xid
ts_lexize(text,text) _text
"""

AGGREGATES = """
count() int8
count(any) int8
sum(int2) int8
sum(int4) int8
sum(int8) numeric
sum(numeric) numeric
sum(float4) float4
sum(float8) float8
sum(interval) interval
avg(int2|int4|int8|numeric) numeric
avg(float4|float8) float8
avg(interval) interval
min(int2|int4|int8|float4|float8|numeric|text|bpchar|date|time|timetz|timestamp|timestamptz|interval|oid|inet|pg_lsn|tid|xid8) =
max(int2|int4|int8|float4|float8|numeric|text|bpchar|date|time|timetz|timestamp|timestamptz|interval|oid|inet|pg_lsn|tid|xid8) =
min(anyarray) anyarray
max(anyarray) anyarray
min(anyenum) anyenum
max(anyenum) anyenum
bool_and(bool) bool
bool_or(bool) bool
every(bool) bool
bit_and(int2|int4|int8|bit) =
bit_or(int2|int4|int8|bit) =
bit_xor(int2|int4|int8|bit) =
string_agg(text,text) text
string_agg(bytea,bytea) bytea
array_agg(anynonarray) anyarray
array_agg(anyarray) anyarray
json_agg(anyelement) json
jsonb_agg(anyelement) jsonb
json_object_agg(any,any) json
jsonb_object_agg(any,any) jsonb
stddev(int2|int4|int8|numeric) numeric
stddev(float4|float8) float8
stddev_pop(int2|int4|int8|numeric) numeric
stddev_pop(float4|float8) float8
stddev_samp(int2|int4|int8|numeric) numeric
stddev_samp(float4|float8) float8
variance(int2|int4|int8|numeric) numeric
variance(float4|float8) float8
var_pop(int2|int4|int8|numeric) numeric
var_pop(float4|float8) float8
var_samp(int2|int4|int8|numeric) numeric
var_samp(float4|float8) float8
corr(float8,float8) float8
covar_pop(float8,float8) float8
covar_samp(float8,float8) float8
regr_avgx(float8,float8) float8
regr_avgy(float8,float8) float8
regr_count(float8,float8) int8
regr_intercept(float8,float8) float8
regr_r2(float8,float8) float8
regr_slope(float8,float8) float8
regr_sxx(float8,float8) float8
regr_sxy(float8,float8) float8
regr_syy(float8,float8) float8
range_agg(anyrange) anymultirange
"""

# Direct arguments | aggregated arguments.
ORDERED_SET = """
percentile_cont(float8|float8) float8
percentile_cont(float8|interval) interval
percentile_cont(_float8|float8) _float8
percentile_cont(_float8|interval) _interval
percentile_disc(float8|anyelement) anyelement
percentile_disc(_float8|anyelement) anyarray
mode(|anyelement) anyelement
rank(*any|*any) int8
dense_rank(*any|*any) int8
percent_rank(*any|*any) float8
cume_dist(*any|*any) float8
"""

WINDOWS = """
row_number() int8
rank() int8
dense_rank() int8
percent_rank() float8
cume_dist() float8
ntile(int4) int4
lag(anyelement) anyelement
lag(anyelement,int4) anyelement
lag(anycompatible,int4,anycompatible) anycompatible
lead(anyelement) anyelement
lead(anyelement,int4) anyelement
lead(anycompatible,int4,anycompatible) anycompatible
first_value(anyelement) anyelement
last_value(anyelement) anyelement
nth_value(anyelement,int4) anyelement
"""

# Argument names that callers use with `name => value`.
ARGUMENT_NAMES = {
    "make_interval": ("years", "months", "weeks", "days", "hours", "mins", "secs"),
    "make_date": ("year", "month", "day"),
    "make_time": ("hour", "min", "sec"),
    "make_timestamp": ("year", "month", "mday", "hour", "min", "sec"),
    "make_timestamptz": ("year", "month", "mday", "hour", "min", "sec", "timezone"),
    "jsonb_set": ("jsonb_in", "path", "replacement", "create_if_missing"),
    "parse_ident": ("str", "strict"),
}
