create table d1 (id serial primary key, name varchar(20) not null unique default 'x', x float8 check (x > 0), y numeric(10,2) default 1.5, at timestamptz default now(), ok bool default true, b int default 3 + 4, d date default current_date, arr int[] default '{1,2}', check (x > b));
create table d2 (a int references d1(id) on delete cascade, b text, primary key (a, b));
create index d2_b on d2 (b);
create index d2_expr on d2 (lower(b));
create view dv as select a, b from d2 where a > 1;
\d d1
\d d2
\d dv
\d
\di
\d d2_b
