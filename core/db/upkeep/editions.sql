-- name: has_levels
-- Whether the migrations have got as far as the rollups.
SELECT to_regclass('rollup_level') IS NOT NULL;

-- name: fact
SELECT value FROM store_fact WHERE key = %(key)s;

-- name: record
INSERT INTO store_fact (key, value) VALUES (%(key)s, %(value)s)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: make_ours
-- Rollups that our own refresh keeps. Counts are four bytes wide and stand beside the series, which
-- spares eight bytes a row; the views widen them. 681 is core.model.NOT_IN_ROLLUPS (a test compares).
--
-- A view reads its level's table before `done_to` and makes the rest from the level below. `done_to`
-- is a subselect and not a join, so that it is known before the chunks are opened, and those on the
-- wrong side of it are left closed.
CREATE TABLE rollup_1m (
    bucket    timestamptz NOT NULL,
    series_id integer NOT NULL,
    count     integer NOT NULL,
    good      integer NOT NULL,
    min       double precision,
    max       double precision,
    sum       double precision,
    last      double precision
);
SELECT create_hypertable('rollup_1m', by_range('bucket', INTERVAL '1 day'),
                         create_default_indexes => false);
CREATE UNIQUE INDEX rollup_1m_key ON rollup_1m (series_id, bucket);
CREATE INDEX rollup_1m_when ON rollup_1m USING brin (bucket)
    WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE rollup_1h (LIKE rollup_1m);
SELECT create_hypertable('rollup_1h', by_range('bucket', INTERVAL '30 days'),
                         create_default_indexes => false);
CREATE UNIQUE INDEX rollup_1h_key ON rollup_1h (series_id, bucket);
CREATE INDEX rollup_1h_when ON rollup_1h USING brin (bucket)
    WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE rollup_1d (LIKE rollup_1m);
SELECT create_hypertable('rollup_1d', by_range('bucket', INTERVAL '360 days'),
                         create_default_indexes => false);
CREATE UNIQUE INDEX rollup_1d_key ON rollup_1d (series_id, bucket);
CREATE INDEX rollup_1d_when ON rollup_1d USING brin (bucket)
    WITH (pages_per_range = 32, autosummarize = on);

INSERT INTO rollup_level (level, done_to)
VALUES ('1m', '-infinity'), ('1h', '-infinity'), ('1d', '-infinity');

CREATE VIEW reading_1m AS
SELECT series_id, bucket, count::bigint, good::bigint, min, max, sum, last
  FROM rollup_1m
 WHERE bucket < (SELECT done_to FROM rollup_level WHERE level = '1m')
UNION ALL
SELECT series_id, time_bucket(INTERVAL '1 minute', observed_at) AS bucket, count(*),
       count(*) FILTER (WHERE quality & 681 = 0), min(value) FILTER (WHERE quality & 681 = 0),
       max(value) FILTER (WHERE quality & 681 = 0), sum(value) FILTER (WHERE quality & 681 = 0),
       last(value, observed_at) FILTER (WHERE quality & 681 = 0)
  FROM reading
 WHERE observed_at >= (SELECT done_to FROM rollup_level WHERE level = '1m')
 GROUP BY series_id, time_bucket(INTERVAL '1 minute', observed_at);

-- The branches below are flat and bring single readings: over a grouped branch neither the reader's
-- range nor `done_to` would reach the chunks.
CREATE VIEW reading_1h AS
SELECT series_id, bucket, count::bigint, good::bigint, min, max, sum, last
  FROM rollup_1h
 WHERE bucket < (SELECT done_to FROM rollup_level WHERE level = '1h')
UNION ALL
SELECT series_id, time_bucket(INTERVAL '1 hour', at) AS bucket, sum(count), sum(good), min(min),
       max(max), sum(sum), last(last, at) FILTER (WHERE good > 0)
  FROM (SELECT series_id, bucket AS at, count, good, min, max, sum, last
          FROM rollup_1m
         WHERE bucket >= (SELECT done_to FROM rollup_level WHERE level = '1h')
           AND bucket < (SELECT done_to FROM rollup_level WHERE level = '1m')
        UNION ALL
        SELECT series_id, observed_at, 1, (quality & 681 = 0)::integer,
               CASE WHEN quality & 681 = 0 THEN value END,
               CASE WHEN quality & 681 = 0 THEN value END,
               CASE WHEN quality & 681 = 0 THEN value END,
               CASE WHEN quality & 681 = 0 THEN value END
          FROM reading
         WHERE observed_at >= (SELECT done_to FROM rollup_level WHERE level = '1m')) AS part
 GROUP BY series_id, time_bucket(INTERVAL '1 hour', at);

CREATE VIEW reading_1d AS
SELECT series_id, bucket, count::bigint, good::bigint, min, max, sum, last
  FROM rollup_1d
 WHERE bucket < (SELECT done_to FROM rollup_level WHERE level = '1d')
UNION ALL
SELECT series_id, time_bucket(INTERVAL '1 day', at) AS bucket, sum(count), sum(good), min(min),
       max(max), sum(sum), last(last, at) FILTER (WHERE good > 0)
  FROM (SELECT series_id, bucket AS at, count, good, min, max, sum, last
          FROM rollup_1h
         WHERE bucket >= (SELECT done_to FROM rollup_level WHERE level = '1d')
           AND bucket < (SELECT done_to FROM rollup_level WHERE level = '1h')
        UNION ALL
        SELECT series_id, bucket, count, good, min, max, sum, last
          FROM rollup_1m
         WHERE bucket >= (SELECT done_to FROM rollup_level WHERE level = '1h')
           AND bucket < (SELECT done_to FROM rollup_level WHERE level = '1m')
        UNION ALL
        SELECT series_id, observed_at, 1, (quality & 681 = 0)::integer,
               CASE WHEN quality & 681 = 0 THEN value END,
               CASE WHEN quality & 681 = 0 THEN value END,
               CASE WHEN quality & 681 = 0 THEN value END,
               CASE WHEN quality & 681 = 0 THEN value END
          FROM reading
         WHERE observed_at >= (SELECT done_to FROM rollup_level WHERE level = '1m')) AS part
 GROUP BY series_id, time_bucket(INTERVAL '1 day', at);

-- name: make_continuous
-- Rollups that the Community edition keeps: real-time aggregates, each made from the one below.
CREATE MATERIALIZED VIEW reading_1m
  WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT series_id, time_bucket(INTERVAL '1 minute', observed_at) AS bucket, count(*) AS count,
       count(*) FILTER (WHERE quality & 681 = 0) AS good,
       min(value) FILTER (WHERE quality & 681 = 0) AS min,
       max(value) FILTER (WHERE quality & 681 = 0) AS max,
       sum(value) FILTER (WHERE quality & 681 = 0) AS sum,
       last(value, observed_at) FILTER (WHERE quality & 681 = 0) AS last
  FROM reading
 GROUP BY series_id, time_bucket(INTERVAL '1 minute', observed_at)
  WITH NO DATA;

CREATE MATERIALIZED VIEW reading_1h
  WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT series_id, time_bucket(INTERVAL '1 hour', bucket) AS bucket, sum(count)::bigint AS count,
       sum(good)::bigint AS good, min(min) AS min, max(max) AS max, sum(sum) AS sum,
       last(last, bucket) FILTER (WHERE good > 0) AS last
  FROM reading_1m
 GROUP BY series_id, time_bucket(INTERVAL '1 hour', bucket)
  WITH NO DATA;

CREATE MATERIALIZED VIEW reading_1d
  WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT series_id, time_bucket(INTERVAL '1 day', bucket) AS bucket, sum(count)::bigint AS count,
       sum(good)::bigint AS good, min(min) AS min, max(max) AS max, sum(sum) AS sum,
       last(last, bucket) FILTER (WHERE good > 0) AS last
  FROM reading_1h
 GROUP BY series_id, time_bucket(INTERVAL '1 day', bucket)
  WITH NO DATA;

-- name: compressed
-- Whether compression of the readings has been set up.
SELECT compression_enabled FROM timescaledb_information.hypertables
 WHERE hypertable_schema = 'public' AND hypertable_name = 'reading';

-- name: enable_compression
ALTER TABLE reading SET (timescaledb.compress, timescaledb.compress_segmentby = 'series_id',
                         timescaledb.compress_orderby = 'observed_at');

-- name: forget_compression
SELECT remove_compression_policy('reading', if_exists => true);

-- name: compress_after
SELECT add_compression_policy('reading', compress_after => make_interval(days => %(days)s));

-- name: forget_refresh
SELECT remove_continuous_aggregate_policy(%(view)s::regclass, if_exists => true);

-- name: refresh_between
-- Follow what changes between two distances from now. An aggregate looks no further back than what it
-- is made from is kept, or it would forget what it knows of deleted readings; null: back to the first.
SELECT add_continuous_aggregate_policy(
    %(view)s::regclass, start_offset => make_interval(days => %(back_days)s),
    end_offset => %(end)s::interval, schedule_interval => %(every)s::interval);

-- name: forget_retention
SELECT remove_retention_policy(%(table)s::regclass, if_exists => true);

-- name: keep_days
SELECT add_retention_policy(%(table)s::regclass, drop_after => make_interval(days => %(days)s));

-- name: policies
-- The jobs that the database does by itself: what, and to which table or aggregate.
SELECT j.proc_name, coalesce(a.view_name, j.hypertable_name)
  FROM timescaledb_information.jobs AS j
  LEFT JOIN timescaledb_information.continuous_aggregates AS a
    ON a.materialization_hypertable_schema = j.hypertable_schema
   AND a.materialization_hypertable_name = j.hypertable_name
 WHERE j.proc_name LIKE 'policy\_%'
 ORDER BY 1, 2;
