-- One series read back. Every window is a range of an index on (series_id, time).

-- name: series
SELECT s.series_id, s.device_id, s.quantity, d.interval_s
  FROM series s JOIN device d USING (device_id)
 WHERE s.device_id = %(device)s AND s.quantity = %(quantity)s;

-- name: readings
-- The newest single readings of a window, newest first.
SELECT observed_at, value, quality FROM reading
 WHERE series_id = %(series)s
   AND observed_at >= %(since)s::timestamptz AND observed_at <= %(until)s::timestamptz
   AND quality & %(left_out)s = 0
 ORDER BY observed_at DESC
 LIMIT %(limit)s;

-- name: points_raw
-- Points made of single readings, of at most `limit` of them, the newest.
SELECT time_bucket(make_interval(secs => %(step)s), observed_at) AS at,
       min(value) FILTER (WHERE quality & %(left_out)s = 0) AS min,
       max(value) FILTER (WHERE quality & %(left_out)s = 0) AS max,
       avg(value) FILTER (WHERE quality & %(left_out)s = 0) AS mean,
       last(value, observed_at) FILTER (WHERE quality & %(left_out)s = 0) AS last,
       count(*) AS count,
       count(*) FILTER (WHERE quality & %(left_out)s = 0) AS good
  FROM (SELECT observed_at, value, quality FROM reading
         WHERE series_id = %(series)s
           AND observed_at >= time_bucket(make_interval(secs => %(step)s), %(since)s::timestamptz)
           AND observed_at <= %(until)s::timestamptz
         ORDER BY observed_at DESC
         LIMIT %(limit)s) AS newest
 GROUP BY 1 ORDER BY 1;

-- name: points_1m
-- Points of one or several rows of the rollup; the first and the last are whole.
SELECT time_bucket(make_interval(secs => %(step)s), bucket) AS at, min(min), max(max),
       sum(sum) / nullif(sum(good), 0)::double precision AS mean,
       last(last, bucket) FILTER (WHERE good > 0) AS last,
       sum(count)::bigint AS count, sum(good)::bigint AS good
  FROM reading_1m
 WHERE series_id = %(series)s
   AND bucket >= time_bucket(make_interval(secs => %(step)s), %(since)s::timestamptz)
   AND bucket <= %(until)s::timestamptz
 GROUP BY 1 ORDER BY 1;

-- name: points_1h
SELECT time_bucket(make_interval(secs => %(step)s), bucket) AS at, min(min), max(max),
       sum(sum) / nullif(sum(good), 0)::double precision AS mean,
       last(last, bucket) FILTER (WHERE good > 0) AS last,
       sum(count)::bigint AS count, sum(good)::bigint AS good
  FROM reading_1h
 WHERE series_id = %(series)s
   AND bucket >= time_bucket(make_interval(secs => %(step)s), %(since)s::timestamptz)
   AND bucket <= %(until)s::timestamptz
 GROUP BY 1 ORDER BY 1;

-- name: points_1d
SELECT time_bucket(make_interval(secs => %(step)s), bucket) AS at, min(min), max(max),
       sum(sum) / nullif(sum(good), 0)::double precision AS mean,
       last(last, bucket) FILTER (WHERE good > 0) AS last,
       sum(count)::bigint AS count, sum(good)::bigint AS good
  FROM reading_1d
 WHERE series_id = %(series)s
   AND bucket >= time_bucket(make_interval(secs => %(step)s), %(since)s::timestamptz)
   AND bucket <= %(until)s::timestamptz
 GROUP BY 1 ORDER BY 1;

-- name: held_raw
-- Whether anything of a stretch is kept; `before` is excluded.
SELECT EXISTS (SELECT FROM reading
                WHERE series_id = %(series)s AND observed_at >= %(since)s::timestamptz
                  AND observed_at < %(before)s::timestamptz);

-- name: held_1m
SELECT EXISTS (SELECT FROM reading_1m
                WHERE series_id = %(series)s AND bucket >= %(since)s::timestamptz
                  AND bucket < %(before)s::timestamptz);

-- name: held_1h
SELECT EXISTS (SELECT FROM reading_1h
                WHERE series_id = %(series)s AND bucket >= %(since)s::timestamptz
                  AND bucket < %(before)s::timestamptz);

-- name: held_1d
SELECT EXISTS (SELECT FROM reading_1d
                WHERE series_id = %(series)s AND bucket >= %(since)s::timestamptz
                  AND bucket < %(before)s::timestamptz);
