-- name: chunks
-- Chunks of a table that lie before a time, with their size on disk; a table whose chunks are kept
-- elsewhere (a continuous aggregate) is asked for them by its own name.
SELECT k.range_start, k.range_end,
       s.total_bytes,
       CASE WHEN c.reltuples < 0 THEN pg_relation_size(c.oid) / 92 ELSE c.reltuples END::bigint
  FROM timescaledb_information.chunks AS k
  JOIN pg_class AS c ON c.oid = format('%%I.%%I', k.chunk_schema, k.chunk_name)::regclass
  JOIN chunks_detailed_size(
           format('%%I.%%I', %(schema)s::text, %(hypertable)s::text)::regclass) AS s
    ON s.chunk_schema = k.chunk_schema AND s.chunk_name = k.chunk_name
 WHERE k.hypertable_schema = %(schema)s AND k.hypertable_name = %(hypertable)s
   AND k.range_end <= %(before)s
 ORDER BY k.range_start;

-- name: hypertable
-- Where the rows of a continuous aggregate lie; no row for what is none.
SELECT materialization_hypertable_schema, materialization_hypertable_name
  FROM timescaledb_information.continuous_aggregates
 WHERE view_schema = 'public' AND view_name = %(table)s;

-- name: wait_briefly
-- A query that comes meanwhile stands behind a waiting drop, so it must not wait for long: a backup
-- holds its locks for as long as it takes.
SELECT set_config('lock_timeout', '1s', true);

-- name: drop
SELECT count(*) FROM drop_chunks(%(table)s::regclass, older_than => %(before)s::timestamptz);

-- name: rejects
-- Rejects that are past their time: how many, how large, from when to when.
SELECT count(*), coalesce(sum(pg_column_size(rejected.*)), 0), min(received_at), max(received_at)
  FROM rejected WHERE received_at < %(before)s;

-- name: delete_rejects
WITH gone AS (
    DELETE FROM rejected
     WHERE rejected_id IN (SELECT rejected_id FROM rejected WHERE received_at < %(before)s
                            ORDER BY received_at LIMIT %(most)s)
    RETURNING pg_column_size(rejected.*) AS bytes)
SELECT count(*), coalesce(sum(bytes), 0) FROM gone;
