-- name: snapshot
-- A name under which pg_dump reads the same moment as this transaction.
SELECT pg_export_snapshot();

-- name: unbound
-- Counting and copying take as long as they take; the snapshot must not end meanwhile.
SELECT set_config('statement_timeout', '0', false),
       set_config('idle_in_transaction_session_timeout', '0', false),
       set_config('lock_timeout', '0', false);

-- name: source
-- What the manifest says of the database that is backed up.
SELECT current_database(), pg_get_userbyid(datdba), current_setting('server_version_num')::integer,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       coalesce(current_setting('timescaledb.license', true), ''), now()
  FROM pg_database WHERE datname = current_database();

-- name: schema
-- The newest migration; no row without the table.
SELECT version, name FROM schema_migration ORDER BY version DESC LIMIT 1;

-- name: tables
-- Every table that holds data of ours: neither the system's, nor an extension's, nor a chunk.
SELECT n.nspname, c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
   AND n.nspname NOT LIKE '\_timescaledb\_%' AND n.nspname NOT LIKE 'timescaledb\_%'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2;

-- name: count
SELECT count(*) FROM {table};

-- name: chunks
-- Hypertables and how many chunks each has.
SELECT hypertable_schema, hypertable_name, num_chunks::integer
  FROM timescaledb_information.hypertables
 WHERE hypertable_schema NOT LIKE '\_timescaledb\_%' ORDER BY 1, 2;

-- name: target
-- What a restore has to know of the database it goes into.
SELECT current_database(), current_setting('server_version_num')::integer,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), current_user,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       current_setting('timescaledb.max_background_workers', true) IS NOT NULL,
       coalesce(current_setting('timescaledb.license', true), ''),
       ARRAY(SELECT version FROM pg_available_extension_versions
              WHERE name = 'timescaledb' ORDER BY 1),
       EXISTS (SELECT FROM pg_roles WHERE rolname = %(owner)s);

-- name: licence
-- Known only where the extension is loaded.
SELECT coalesce(current_setting('timescaledb.license', true), '');

-- name: create_extension
CREATE EXTENSION timescaledb VERSION {version};

-- name: pre_restore
SELECT timescaledb_pre_restore();

-- name: post_restore
SELECT timescaledb_post_restore();

-- name: analyze
-- Without statistics the first queries would be planned blindly.
ANALYZE;
