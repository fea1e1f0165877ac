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
-- Readings of a span of device time as they came in, for the alarm engine at start. Series by series,
-- because the key of a day's chunk opens with the series: the cost is that of the result.
COPY (SELECT r.series_id, r.observed_at, r.received_at, r.value, r.quality
        FROM latest CROSS JOIN LATERAL (
             SELECT * FROM reading
              WHERE reading.series_id = latest.series_id
                AND reading.observed_at >= to_timestamp(%(from_s)s)
                AND reading.observed_at < to_timestamp(%(to_s)s)
                AND reading.quality & %(backfilled)s = 0) AS r
       WHERE latest.observed_at >= to_timestamp(%(from_s)s)) TO STDOUT (FORMAT binary);
