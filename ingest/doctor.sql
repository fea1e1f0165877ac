-- name: server
-- The server, the extension, this database's size and clock; the folder is for some roles only.
SELECT current_setting('server_version_num')::integer AS version,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
       coalesce(current_setting('timescaledb.license', true), '') AS licence,
       current_setting('timescaledb.max_background_workers', true) IS NOT NULL AS preloaded,
       pg_database_size(current_database()) AS size_bytes,
       CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE')
            THEN current_setting('data_directory') END AS folder;

-- name: clock
SELECT extract(epoch FROM clock_timestamp())::double precision;

-- name: settings
-- In bytes where the setting is a size.
SELECT name, setting, CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024 WHEN 'MB' THEN 1048576 END
  FROM pg_settings
 WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'track_commit_timestamp',
                'shared_buffers', 'max_wal_size');

-- name: workers
-- Every worker that has ever written, when it last did, and whether its session holds its lock. What
-- a command has written is left out: no process runs under its name.
SELECT worker_id, extract(epoch FROM now() - updated_at)::double precision,
       EXISTS (SELECT FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND (l.classid::bigint << 32 | l.objid::bigint)
                      = hashtextextended('blocktwin ingest ' || worker_id, 0)),
       latest_from IS NOT NULL AND updated_at < now() - interval '1 minute'
  FROM tally WHERE worker_id <> ALL(%(commands)s) ORDER BY worker_id;

-- name: rollups
-- Of each level: how old its end is (null: it has none), and how many changed stretches wait.
SELECT level, CASE WHEN isfinite(done_to)
                   THEN extract(epoch FROM now() - done_to)::double precision END,
       (SELECT count(*) FROM rollup_dirty d WHERE d.level = l.level)
  FROM rollup_level l ORDER BY level;

-- name: rollups_by
SELECT value FROM store_fact WHERE key = 'rollups';

-- name: rejected
-- Readings rejected within the last hour, and rejects that nobody has resolved.
SELECT coalesce(sum(readings) FILTER (WHERE received_at > now() - interval '1 hour'), 0)::bigint,
       count(*) FILTER (WHERE resolved_at IS NULL)
  FROM rejected;

-- name: gateways
SELECT count(*), count(*) FILTER (WHERE NOT online) FROM gateway_status;

-- name: deliveries
-- Notices that wait, and for how long the oldest has been due.
SELECT count(*), coalesce(extract(epoch FROM now() - min(next_at)), 0)::double precision
  FROM notify_delivery WHERE delivered_at IS NULL AND given_up_at IS NULL;

-- name: chunks
-- Size of the newest chunks of the readings, with indexes, and how many seconds each has been filled.
SELECT pg_total_relation_size(format('%%I.%%I', chunk_schema, chunk_name)::regclass),
       extract(epoch FROM least(range_end, now()) - range_start)::double precision
  FROM timescaledb_information.chunks
 WHERE hypertable_schema = 'public' AND hypertable_name = 'reading' AND range_start < now()
 ORDER BY range_start DESC LIMIT %(most)s;
