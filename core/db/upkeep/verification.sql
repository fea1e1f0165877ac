-- name: about
-- Readings stored, as the server estimates them, and whether the accounts still say what came.
SELECT approximate_row_count('reading');

-- name: accounts
-- What the accounts say and what is there, in one look. A reject that was brought back is not one.
SELECT coalesce(sum(stored), 0)::bigint, coalesce(sum(rejected), 0)::bigint,
       (SELECT count(*) FROM reading),
       (SELECT coalesce(sum(readings), 0)::bigint FROM rejected
         WHERE resolution IS NULL OR resolution = 'dropped')
  FROM tally;

-- name: days
-- Days of which readings are stored.
SELECT range_start, range_end FROM timescaledb_information.chunks
 WHERE hypertable_schema = 'public' AND hypertable_name = 'reading';

-- name: some_series
SELECT series_id FROM series ORDER BY random() LIMIT %(most)s;

-- name: all_series
SELECT series_id FROM series;

-- name: minutes
-- Stored minutes that are not what their readings say: the first, how many, and between when. What
-- is marked, not complete, or older than the oldest reading that is still kept is not compared. Sums
-- may differ by the order in which they were added.
WITH part AS (
    SELECT series_id, greatest(from_at, %(kept_from)s) AS from_at,
           least(to_at, (SELECT done_to FROM rollup_level WHERE level = %(level)s)) AS to_at
      FROM unnest(%(series)s::int4[], %(from)s::timestamptz[], %(to)s::timestamptz[])
               AS given (series_id, from_at, to_at)),
fresh AS (
    SELECT part.series_id, made.*
      FROM part CROSS JOIN LATERAL (
           SELECT time_bucket(%(width)s, observed_at) AS bucket, count(*), count(fine) AS good,
                  min(fine), max(fine), sum(fine),
                  last(fine, observed_at) FILTER (WHERE fine IS NOT NULL)
             FROM (SELECT observed_at,
                          CASE WHEN quality & %(refused)s = 0 THEN value END AS fine
                     FROM {below}
                    WHERE series_id = part.series_id
                      AND observed_at >= part.from_at AND observed_at < part.to_at) AS own
            GROUP BY 1) AS made),
kept AS (
    SELECT part.series_id, own.bucket, count, good, min, max, sum, last
      FROM part CROSS JOIN LATERAL (
           SELECT * FROM {own} WHERE series_id = part.series_id
              AND bucket >= part.from_at AND bucket < part.to_at) AS own)
SELECT series_id, bucket,
       CASE WHEN kept.count IS NULL THEN 'is missing' WHEN fresh.count IS NULL THEN 'has no source'
            ELSE 'differs' END,
       count(*) OVER (), min(bucket) OVER (), max(bucket) OVER ()
  FROM fresh FULL JOIN kept USING (series_id, bucket)
 WHERE ((kept.count, kept.good, kept.min, kept.max, kept.last)
        IS DISTINCT FROM (fresh.count, fresh.good, fresh.min, fresh.max, fresh.last)
        OR abs(kept.sum - fresh.sum)
           > 1e-9 * fresh.count * greatest(abs(fresh.min), abs(fresh.max)))
   AND NOT EXISTS (SELECT FROM rollup_dirty AS mark
                    WHERE mark.level = %(level)s AND mark.from_at <= bucket AND mark.to_at > bucket
                      AND (mark.series_id IS NULL OR mark.series_id = fresh.series_id
                           OR mark.series_id = kept.series_id))
 ORDER BY bucket, series_id LIMIT 1;

-- name: buckets
-- The same for hours against stored minutes and for days against stored hours.
WITH part AS (
    SELECT series_id, greatest(from_at, %(kept_from)s) AS from_at,
           least(to_at, (SELECT done_to FROM rollup_level WHERE level = %(level)s)) AS to_at
      FROM unnest(%(series)s::int4[], %(from)s::timestamptz[], %(to)s::timestamptz[])
               AS given (series_id, from_at, to_at)),
fresh AS (
    SELECT part.series_id, made.*
      FROM part CROSS JOIN LATERAL (
           SELECT time_bucket(%(width)s, bucket) AS bucket, sum(count) AS count, sum(good) AS good,
                  min(min), max(max), sum(sum), last(last, bucket) FILTER (WHERE good > 0)
             FROM {below}
            WHERE series_id = part.series_id
              AND bucket >= part.from_at AND bucket < part.to_at
            GROUP BY 1) AS made),
kept AS (
    SELECT part.series_id, own.bucket, count, good, min, max, sum, last
      FROM part CROSS JOIN LATERAL (
           SELECT * FROM {own} WHERE series_id = part.series_id
              AND bucket >= part.from_at AND bucket < part.to_at) AS own)
SELECT series_id, bucket,
       CASE WHEN kept.count IS NULL THEN 'is missing' WHEN fresh.count IS NULL THEN 'has no source'
            ELSE 'differs' END,
       count(*) OVER (), min(bucket) OVER (), max(bucket) OVER ()
  FROM fresh FULL JOIN kept USING (series_id, bucket)
 WHERE ((kept.count, kept.good, kept.min, kept.max, kept.last)
        IS DISTINCT FROM (fresh.count, fresh.good, fresh.min, fresh.max, fresh.last)
        OR abs(kept.sum - fresh.sum)
           > 1e-9 * fresh.count * greatest(abs(fresh.min), abs(fresh.max)))
   AND NOT EXISTS (SELECT FROM rollup_dirty AS mark
                    WHERE mark.level = %(level)s AND mark.from_at <= bucket AND mark.to_at > bucket
                      AND (mark.series_id IS NULL OR mark.series_id = fresh.series_id
                           OR mark.series_id = kept.series_id))
 ORDER BY bucket, series_id LIMIT 1;

-- name: latest
-- Series whose newest value is not their newest reading. What a worker is about to write there
-- (from the earliest `latest_from` on) and what was deleted since are no faults.
SELECT series.series_id, latest.observed_at, newest.observed_at, count(*) OVER ()
  FROM series
  LEFT JOIN latest USING (series_id)
  LEFT JOIN LATERAL (
       SELECT observed_at, value FROM reading WHERE reading.series_id = series.series_id
        ORDER BY observed_at DESC LIMIT 1) AS newest ON true
 WHERE (latest.observed_at, latest.value) IS DISTINCT FROM (newest.observed_at, newest.value)
   AND coalesce(newest.observed_at < (SELECT min(latest_from) FROM tally), true)
   AND coalesce(latest.observed_at >= %(kept_from)s, newest.observed_at IS NOT NULL)
 ORDER BY series.series_id LIMIT 1;

-- name: strangers
-- Series ids that have readings and no entry: looked for in the gaps between those that have one.
WITH gap AS (
    SELECT series_id AS after, lead(series_id, 1, 2147483647) OVER (ORDER BY series_id) AS before
      FROM (SELECT series_id FROM series UNION ALL SELECT -2147483648) AS known)
SELECT found.series_id, count(*) OVER ()
  FROM gap CROSS JOIN LATERAL (
       SELECT series_id FROM reading
        WHERE reading.series_id > gap.after AND reading.series_id < gap.before
        ORDER BY series_id LIMIT 1) AS found
 WHERE gap.before - gap.after::bigint > 1
 ORDER BY found.series_id LIMIT 1;

-- name: indexes
-- Chunks that lack an index of their table, or have it unusable.
WITH wanted AS (
    SELECT h.hypertable_name, i.indexrelid, x.relname, x.relam, i.indisunique,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
                   FROM generate_series(1, i.indnatts) AS n) AS columns
      FROM timescaledb_information.hypertables AS h
      JOIN pg_index AS i
        ON i.indrelid = format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass
      JOIN pg_class AS x ON x.oid = i.indexrelid
     WHERE h.hypertable_schema = 'public')
SELECT format('%I.%I', k.chunk_schema, k.chunk_name), wanted.relname, wanted.hypertable_name,
       count(*) OVER ()
  FROM wanted
  JOIN timescaledb_information.chunks AS k
    ON k.hypertable_schema = 'public' AND k.hypertable_name = wanted.hypertable_name
 WHERE NOT EXISTS (
       SELECT FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = format('%I.%I', k.chunk_schema, k.chunk_name)::regclass
          AND x.relam = wanted.relam AND i.indisunique = wanted.indisunique AND i.indisvalid
          AND ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
                      FROM generate_series(1, i.indnatts) AS n) = wanted.columns)
 ORDER BY 1, 2 LIMIT 1;
