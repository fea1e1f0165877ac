-- name: insert_reading
-- Rows that are not stored yet; answers with the keys of those that are now.
INSERT INTO reading (series_id, observed_at, received_at, value, quality)
SELECT * FROM unnest(%(series)b::int4[], %(observed)b::timestamptz[], %(received)b::timestamptz[],
                     %(value)b::float8[], %(quality)b::int4[])
ON CONFLICT (series_id, observed_at) DO NOTHING
RETURNING series_id, (extract(epoch FROM observed_at) * 1000000)::bigint;

-- name: present
-- The keys, of those given, that are stored. The bounds keep other days' chunks out of it.
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%(series)b::int4[], %(observed)b::timestamptz[]) AS key (series_id, at)
)
SELECT r.series_id, (extract(epoch FROM r.observed_at) * 1000000)::bigint
  FROM wanted JOIN reading r ON r.series_id = wanted.series_id AND r.observed_at = wanted.at
 WHERE r.observed_at >= (SELECT min(at) FROM wanted) AND r.observed_at <= (SELECT max(at) FROM wanted);
