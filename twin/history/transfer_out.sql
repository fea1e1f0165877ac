-- name: no_time_limit
-- A statement here lasts as long as its rows take to leave.
SET statement_timeout = 0;

-- name: copy_raw
-- Readings of some series, in the order of the key, so that the chunks' indexes can be merged.
COPY (SELECT series_id, observed_at, received_at, value, quality
        FROM reading
       WHERE series_id = ANY(%(series)s::int[])
         AND observed_at >= %(from)s::timestamptz AND observed_at < %(to)s::timestamptz
         AND quality & %(left_out)s::int = 0
       ORDER BY series_id, observed_at) TO STDOUT (FORMAT binary);

-- name: copy_1m
-- Rollups of some series; no value is stored as NaN, so that NaN can stand for none.
COPY (SELECT series_id, bucket, count::bigint, good::bigint, coalesce(min, 'NaN'), coalesce(max, 'NaN'),
             coalesce(sum, 'NaN'), coalesce(last, 'NaN')
        FROM reading_1m
       WHERE series_id = ANY(%(series)s::int[])
         AND bucket >= %(from)s::timestamptz AND bucket < %(to)s::timestamptz
       ORDER BY series_id, bucket) TO STDOUT (FORMAT binary);

-- name: copy_1h
COPY (SELECT series_id, bucket, count::bigint, good::bigint, coalesce(min, 'NaN'), coalesce(max, 'NaN'),
             coalesce(sum, 'NaN'), coalesce(last, 'NaN')
        FROM reading_1h
       WHERE series_id = ANY(%(series)s::int[])
         AND bucket >= %(from)s::timestamptz AND bucket < %(to)s::timestamptz
       ORDER BY series_id, bucket) TO STDOUT (FORMAT binary);

-- name: copy_1d
COPY (SELECT series_id, bucket, count::bigint, good::bigint, coalesce(min, 'NaN'), coalesce(max, 'NaN'),
             coalesce(sum, 'NaN'), coalesce(last, 'NaN')
        FROM reading_1d
       WHERE series_id = ANY(%(series)s::int[])
         AND bucket >= %(from)s::timestamptz AND bucket < %(to)s::timestamptz
       ORDER BY series_id, bucket) TO STDOUT (FORMAT binary);
