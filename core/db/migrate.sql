-- name: lock
-- One upgrade at a time. Any number does that nothing else locks in this database.
SELECT pg_advisory_lock(7092168934528350);

-- name: unlock
SELECT pg_advisory_unlock(7092168934528350);

-- name: create_table
CREATE TABLE IF NOT EXISTS schema_migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: has_table
SELECT to_regclass('schema_migration') IS NOT NULL;

-- name: applied
SELECT version, name, checksum, applied_at FROM schema_migration ORDER BY version;

-- name: insert
INSERT INTO schema_migration (version, name, checksum)
VALUES (%(version)s, %(name)s, %(checksum)s);

-- name: lock_wait
-- How long to wait for the lock.
SELECT set_config('lock_timeout', %(timeout)s, false);

-- name: extension
-- Whether the server has TimescaleDB, and whether it is preloaded: only its loader makes settings of
-- its name (the list of preloaded libraries is for superusers to see).
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb'),
       current_setting('timescaledb.max_background_workers', true) IS NOT NULL;

-- name: store
-- Version and licence of TimescaleDB in this database.
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       current_setting('timescaledb.license', true);

-- name: record_fact
INSERT INTO store_fact (key, value) VALUES (%(key)s, %(value)s)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;
