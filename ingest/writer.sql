-- name: copy_reading
-- The usual way in: rows known to be new. Fails as a whole when one is not.
COPY reading (series_id, observed_at, received_at, value, quality) FROM STDIN (FORMAT binary);

-- name: insert_reading
-- The way in for rows that may be stored already: those are left out.
INSERT INTO reading (series_id, observed_at, received_at, value, quality)
SELECT * FROM unnest(%(series)b::int4[], %(observed)b::timestamptz[], %(received)b::timestamptz[],
                     %(value)b::float8[], %(quality)b::int4[])
ON CONFLICT (series_id, observed_at) DO NOTHING;

-- name: advance_latest
-- One row per series; the newest device time wins, whatever the order of arrival.
INSERT INTO latest (series_id, observed_at, received_at, value, quality)
SELECT * FROM unnest(%(series)b::int4[], %(observed)b::timestamptz[], %(received)b::timestamptz[],
                     %(value)b::float8[], %(quality)b::int4[])
ON CONFLICT (series_id) DO UPDATE
   SET observed_at = excluded.observed_at, received_at = excluded.received_at,
       value = excluded.value, quality = excluded.quality
 WHERE latest.observed_at < excluded.observed_at;

-- name: newest_observed
-- Device time of the newest reading of every series, in microseconds since the Unix epoch.
SELECT series_id, (extract(epoch FROM observed_at) * 1000000)::bigint FROM latest;

-- name: copy_out
-- Readings of a span of device time as they came in, for the alarm engine at start. The index by time
-- finds them; the statistics of a chunk that is still filling would have all of it read instead.
COPY (SELECT series_id, observed_at, received_at, value, quality FROM reading
       WHERE observed_at >= to_timestamp(%(from_s)s) AND observed_at < to_timestamp(%(to_s)s)
         AND quality & %(backfilled)s = 0) TO STDOUT (FORMAT binary);

-- name: find_by_time
SELECT set_config('enable_seqscan', 'off', true);
