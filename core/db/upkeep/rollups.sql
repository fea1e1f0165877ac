-- name: lock
-- One refresh at a time; the next one waits for the end of the transaction.
SELECT pg_advisory_xact_lock(7092168934528351);

-- name: try_lock
SELECT pg_try_advisory_xact_lock(7092168934528351);

-- name: levels
-- How far each level is complete; null while it has never been begun. Then what is ready to be made
-- at a level, and from where on the level below it has all it ever had.
SELECT level, CASE WHEN isfinite(done_to) THEN done_to END
  FROM rollup_level;

-- name: kept_from
-- From where on each table still has all that came; no row for one of which nothing was deleted.
SELECT substr(key, 11), value::timestamptz FROM store_fact WHERE starts_with(key, 'kept_from ');

-- name: record_kept_from
INSERT INTO store_fact (key, value) VALUES ('kept_from ' || %(table)s, %(from)s::timestamptz::text)
ON CONFLICT (key) DO UPDATE
   SET value = greatest(store_fact.value::timestamptz, excluded.value::timestamptz)::text;

-- name: begin_levels
-- First refresh: everything that is stored is marked, a chunk at a time, and each level begins at the
-- oldest of them, or where it is ready when there are none.
WITH stored AS (
    SELECT range_start, range_end FROM timescaledb_information.chunks
     WHERE hypertable_schema = 'public' AND hypertable_name = 'reading'),
marked AS (
    INSERT INTO rollup_dirty (level, from_at, to_at)
    SELECT level, range_start, range_end FROM stored CROSS JOIN rollup_level)
UPDATE rollup_level
   SET done_to = time_bucket(
           CASE level WHEN '1m' THEN INTERVAL '1 minute' WHEN '1h' THEN INTERVAL '1 hour'
                      ELSE INTERVAL '1 day' END,
           least(%(ready_to)s, (SELECT min(range_start) FROM stored)));

-- name: take_marks
-- The earliest marks that have anything ready in them. Their readings were committed with them, so
-- the statements after this one see them.
DELETE FROM rollup_dirty
 WHERE dirty_id IN (SELECT dirty_id FROM rollup_dirty
                     WHERE level = %(level)s AND from_at < %(ready_to)s
                     ORDER BY from_at LIMIT %(most)s)
RETURNING series_id, from_at, to_at;

-- name: put_marks
INSERT INTO rollup_dirty (level, series_id, from_at, to_at)
SELECT %(level)s, * FROM unnest(%(series)s::int4[], %(from)s::timestamptz[], %(to)s::timestamptz[]);

-- name: advance
-- Complete is what is ready and has no mark left.
UPDATE rollup_level AS own
   SET done_to = greatest(done_to, least(%(ready_to)s,
           (SELECT min(greatest(from_at, own.done_to)) FROM rollup_dirty
             WHERE level = own.level AND to_at > own.done_to)))
 WHERE level = %(level)s;

-- name: waiting
-- Marks by level, and the earliest of them.
SELECT level, count(*), min(from_at) FROM rollup_dirty GROUP BY level;

-- name: minutes_of_all
-- Make the minutes of a span from its readings, for every series, and mark what follows above.
--
-- Where readings have been deleted (before `kept_from`), of two versions the one that counted more
-- readings stays. The level above is marked for all series when it is not complete there anyway, or
-- when many series have changed; else for those that have.
WITH changed AS (
    INSERT INTO rollup_1m AS kept (bucket, series_id, count, good, min, max, sum, last)
    SELECT bucket, series_id, count(*), count(fine), min(fine), max(fine), sum(fine),
           last(fine, observed_at) FILTER (WHERE fine IS NOT NULL)
      FROM (SELECT time_bucket(INTERVAL '1 minute', observed_at) AS bucket, series_id, observed_at,
                   CASE WHEN quality & %(refused)s = 0 THEN value END AS fine
              FROM reading
             WHERE observed_at >= %(from)s AND observed_at < %(to)s) AS part
     GROUP BY bucket, series_id
    ON CONFLICT (series_id, bucket) DO UPDATE
       SET count = excluded.count, good = excluded.good, min = excluded.min, max = excluded.max,
           sum = excluded.sum, last = excluded.last
     WHERE (kept.bucket >= %(kept_from)s OR excluded.count >= kept.count)
       AND (kept.count, kept.good, kept.min, kept.max, kept.sum, kept.last)
           IS DISTINCT FROM (excluded.count, excluded.good, excluded.min, excluded.max,
                             excluded.sum, excluded.last)
    RETURNING series_id, time_bucket(INTERVAL '1 hour', bucket) AS above),
touched AS (SELECT above, series_id FROM changed GROUP BY above, series_id),
known AS (SELECT above, count(*) > %(many)s OR above >= %(above_done_to)s AS of_all
            FROM touched GROUP BY above),
marked AS (
    INSERT INTO rollup_dirty (level, series_id, from_at, to_at)
    SELECT '1h', NULL, above, above + INTERVAL '1 hour' FROM known WHERE of_all
    UNION ALL
    SELECT '1h', series_id, above, above + INTERVAL '1 hour'
      FROM touched JOIN known USING (above) WHERE NOT of_all)
SELECT count(*) FROM changed;

-- name: minutes_of_one
-- The same for stretches of single series, found by the key.
WITH changed AS (
    INSERT INTO rollup_1m AS kept (bucket, series_id, count, good, min, max, sum, last)
    SELECT made.bucket, part.series_id, made.count, made.good, made.min, made.max, made.sum,
           made.last
      FROM unnest(%(series)s::int4[], %(from)s::timestamptz[], %(to)s::timestamptz[])
               AS part (series_id, from_at, to_at)
     CROSS JOIN LATERAL (
           SELECT bucket, count(*), count(fine) AS good, min(fine), max(fine), sum(fine),
                  last(fine, observed_at) FILTER (WHERE fine IS NOT NULL)
             FROM (SELECT time_bucket(INTERVAL '1 minute', observed_at) AS bucket, observed_at,
                          CASE WHEN quality & %(refused)s = 0 THEN value END AS fine
                     FROM reading
                    WHERE series_id = part.series_id
                      AND observed_at >= part.from_at AND observed_at < part.to_at) AS own
            GROUP BY bucket) AS made
    ON CONFLICT (series_id, bucket) DO UPDATE
       SET count = excluded.count, good = excluded.good, min = excluded.min, max = excluded.max,
           sum = excluded.sum, last = excluded.last
     WHERE (kept.bucket >= %(kept_from)s OR excluded.count >= kept.count)
       AND (kept.count, kept.good, kept.min, kept.max, kept.sum, kept.last)
           IS DISTINCT FROM (excluded.count, excluded.good, excluded.min, excluded.max,
                             excluded.sum, excluded.last)
    RETURNING series_id, time_bucket(INTERVAL '1 hour', bucket) AS above),
touched AS (SELECT above, series_id FROM changed GROUP BY above, series_id),
known AS (SELECT above, count(*) > %(many)s OR above >= %(above_done_to)s AS of_all
            FROM touched GROUP BY above),
marked AS (
    INSERT INTO rollup_dirty (level, series_id, from_at, to_at)
    SELECT '1h', NULL, above, above + INTERVAL '1 hour' FROM known WHERE of_all
    UNION ALL
    SELECT '1h', series_id, above, above + INTERVAL '1 hour'
      FROM touched JOIN known USING (above) WHERE NOT of_all)
SELECT count(*) FROM changed;

-- name: buckets_of_all
-- Make the hours from the minutes, or the days from the hours; {own} and {below} are tables of ours.
WITH changed AS (
    INSERT INTO {own} AS kept (bucket, series_id, count, good, min, max, sum, last)
    SELECT time_bucket(%(width)s, bucket), series_id, sum(count), sum(good), min(min), max(max),
           sum(sum), last(last, bucket) FILTER (WHERE good > 0)
      FROM {below}
     WHERE bucket >= %(from)s AND bucket < %(to)s
     GROUP BY 1, 2
    ON CONFLICT (series_id, bucket) DO UPDATE
       SET count = excluded.count, good = excluded.good, min = excluded.min, max = excluded.max,
           sum = excluded.sum, last = excluded.last
     WHERE (kept.bucket >= %(kept_from)s OR excluded.count >= kept.count)
       AND (kept.count, kept.good, kept.min, kept.max, kept.sum, kept.last)
           IS DISTINCT FROM (excluded.count, excluded.good, excluded.min, excluded.max,
                             excluded.sum, excluded.last)
    RETURNING series_id, time_bucket(INTERVAL '1 day', bucket) AS above),
touched AS (SELECT above, series_id FROM changed GROUP BY above, series_id),
known AS (SELECT above, count(*) > %(many)s OR above >= %(above_done_to)s AS of_all
            FROM touched GROUP BY above),
marked AS (
    INSERT INTO rollup_dirty (level, series_id, from_at, to_at)
    SELECT '1d', NULL, above, above + INTERVAL '1 day' FROM known
     WHERE of_all AND %(level)s = '1h'
    UNION ALL
    SELECT '1d', series_id, above, above + INTERVAL '1 day'
      FROM touched JOIN known USING (above) WHERE NOT of_all AND %(level)s = '1h')
SELECT count(*) FROM changed;

-- name: buckets_of_one
-- The same for stretches of single series.
WITH changed AS (
    INSERT INTO {own} AS kept (bucket, series_id, count, good, min, max, sum, last)
    SELECT made.bucket, part.series_id, made.count, made.good, made.min, made.max, made.sum,
           made.last
      FROM unnest(%(series)s::int4[], %(from)s::timestamptz[], %(to)s::timestamptz[])
               AS part (series_id, from_at, to_at)
     CROSS JOIN LATERAL (
           SELECT time_bucket(%(width)s, bucket) AS bucket, sum(count) AS count, sum(good) AS good,
                  min(min), max(max), sum(sum), last(last, bucket) FILTER (WHERE good > 0)
             FROM {below}
            WHERE series_id = part.series_id
              AND bucket >= part.from_at AND bucket < part.to_at
            GROUP BY 1) AS made
    ON CONFLICT (series_id, bucket) DO UPDATE
       SET count = excluded.count, good = excluded.good, min = excluded.min, max = excluded.max,
           sum = excluded.sum, last = excluded.last
     WHERE (kept.bucket >= %(kept_from)s OR excluded.count >= kept.count)
       AND (kept.count, kept.good, kept.min, kept.max, kept.sum, kept.last)
           IS DISTINCT FROM (excluded.count, excluded.good, excluded.min, excluded.max,
                             excluded.sum, excluded.last)
    RETURNING series_id, time_bucket(INTERVAL '1 day', bucket) AS above),
touched AS (SELECT above, series_id FROM changed GROUP BY above, series_id),
known AS (SELECT above, count(*) > %(many)s OR above >= %(above_done_to)s AS of_all
            FROM touched GROUP BY above),
marked AS (
    INSERT INTO rollup_dirty (level, series_id, from_at, to_at)
    SELECT '1d', NULL, above, above + INTERVAL '1 day' FROM known
     WHERE of_all AND %(level)s = '1h'
    UNION ALL
    SELECT '1d', series_id, above, above + INTERVAL '1 day'
      FROM touched JOIN known USING (above) WHERE NOT of_all AND %(level)s = '1h')
SELECT count(*) FROM changed;

-- name: forget
-- Remove the stored buckets of a span, to be made again in the same transaction.
DELETE FROM {own} WHERE bucket >= %(from)s AND bucket < %(to)s;

-- name: drop_marks
-- Remove the marks of a level that lie in a span which has just been made.
DELETE FROM rollup_dirty WHERE level = %(level)s AND from_at >= %(from)s AND to_at <= %(to)s;

-- name: summarise
-- Take the newest pages of every chunk that has changed lately into its BRIN indexes: the server's
-- own queue for that holds 256 requests and drops the rest, and pages it does not know are all read.
SELECT coalesce(sum(brin_summarize_new_values(i.indexrelid)), 0)
  FROM timescaledb_information.chunks AS k
  JOIN pg_class AS c ON c.oid = format('%%I.%%I', k.chunk_schema, k.chunk_name)::regclass
  JOIN pg_index AS i ON i.indrelid = c.oid
  JOIN pg_class AS x ON x.oid = i.indexrelid
  JOIN pg_am AS a ON a.oid = x.relam AND a.amname = 'brin'
 WHERE k.hypertable_schema = 'public' AND k.hypertable_name = ANY(%(tables)s)
   AND k.range_start <= %(now)s AND k.range_end > %(now)s::timestamptz - INTERVAL '1 day';

-- name: by_time
-- Until the end of the transaction only the indexes over time remain to the planner. The newest chunk
-- has grown since it was last analysed, and by those figures it would rather read all of it.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true),
       set_config('jit', 'off', true);

-- name: lock_wait
SELECT set_config('lock_timeout', %(timeout)s, true);

-- name: statement_timeout
SELECT set_config('statement_timeout', %(timeout)s, false);
