-- How the filter's operators and functions are said in SQL; {0}, {1}, {2} are their arguments.
-- Strings compare by code point, whatever collation the database has.

-- name: and_
({0} AND {1});
-- name: or_
({0} OR {1});
-- name: not_
(NOT {0});
-- name: eq
({0} = {1});
-- name: ne
({0} <> {1});
-- name: lt
({0} < {1});
-- name: le
({0} <= {1});
-- name: gt
({0} > {1});
-- name: ge
({0} >= {1});
-- name: lt_text
({0} COLLATE "C" < {1} COLLATE "C");
-- name: le_text
({0} COLLATE "C" <= {1} COLLATE "C");
-- name: gt_text
({0} COLLATE "C" > {1} COLLATE "C");
-- name: ge_text
({0} COLLATE "C" >= {1} COLLATE "C");
-- name: is_null
({0} IS NULL);
-- name: is_not_null
({0} IS NOT NULL);
-- name: json_null
(nullif({0} #> {1}, 'null'::jsonb) IS NULL);
-- name: json_not_null
(nullif({0} #> {1}, 'null'::jsonb) IS NOT NULL);
-- name: json_text
(CASE WHEN jsonb_typeof({0} #> {1}) = 'string' THEN {0} #>> {1} END);
-- name: json_number
(CASE WHEN jsonb_typeof({0} #> {1}) = 'number' THEN ({0} #>> {1})::double precision END);
-- name: json_boolean
(CASE WHEN jsonb_typeof({0} #> {1}) = 'boolean' THEN ({0} #>> {1})::boolean END);
-- name: add
({0} + {1});
-- name: sub
({0} - {1});
-- name: mul
({0}::double precision * {1});
-- name: div
({0}::double precision / nullif({1}::double precision, 0));
-- name: mod
mod({0}::numeric, nullif({1}::numeric, 0))::double precision;
-- name: negate
(- {0});
-- name: substringof
(position({0} IN {1}) > 0);
-- name: startswith
(left({0}, length({1})) = {1});
-- name: endswith
(right({0}, length({1})) = {1});
-- name: length
length({0});
-- name: indexof
(position({1} IN {0}) - 1);
-- name: substring
substr({0}, greatest(trunc({1}::numeric)::integer, 0) + 1);
-- name: substring_3
substr({0}, greatest(trunc({1}::numeric)::integer, 0) + 1,
       greatest(trunc({2}::numeric)::integer, 0));
-- name: tolower
lower({0});
-- name: toupper
upper({0});
-- name: trim
btrim({0});
-- name: concat
({0} || {1});
-- name: year
extract(year FROM {0} AT TIME ZONE 'UTC')::integer;
-- name: month
extract(month FROM {0} AT TIME ZONE 'UTC')::integer;
-- name: day
extract(day FROM {0} AT TIME ZONE 'UTC')::integer;
-- name: hour
extract(hour FROM {0} AT TIME ZONE 'UTC')::integer;
-- name: minute
extract(minute FROM {0} AT TIME ZONE 'UTC')::integer;
-- name: second
floor(extract(second FROM {0} AT TIME ZONE 'UTC'))::integer;
-- name: fractionalseconds
(extract(microseconds FROM {0} AT TIME ZONE 'UTC') %% 1000000 / 1000000)::double precision;
-- name: date
to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD');
-- name: time
to_char({0} AT TIME ZONE 'UTC', 'HH24:MI:SS.US');
-- name: round
round({0}::numeric)::double precision;
-- name: floor
floor({0});
-- name: ceiling
ceil({0});
-- name: before
({0} < {1});
-- name: after
({0} > {1});
-- name: during
({0} >= {1} AND {0} < {2});
-- name: one_of
-- Of nothing it is not known, also where the list is empty.
CASE WHEN {0} IS NOT NULL THEN {0} = ANY({1}) END;
-- name: none_of
({0} <> ALL({1}));
