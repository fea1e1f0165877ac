-- name: tables
-- Tables of ours with their storage options; what belongs to an extension is left out everywhere.
SELECT c.oid, c.relname, coalesce(array_to_string(c.reloptions, ', '), '')
  FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
 ORDER BY c.relname;

-- name: columns
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
       pg_get_expr(d.adbin, d.adrelid)
  FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum;

-- name: constraints
-- Newer servers list NOT NULL here too; the columns say it already.
SELECT conname, pg_get_constraintdef(oid)
  FROM pg_constraint
 WHERE conrelid = %(table)s AND contype <> 'n'
 ORDER BY contype <> 'p', conname;

-- name: indexes
-- Indexes that no constraint owns.
SELECT pg_get_indexdef(i.indexrelid)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = %(table)s
   AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
 ORDER BY c.relname;

-- name: triggers
-- TimescaleDB's own guard of a hypertable differs between its versions.
SELECT pg_get_triggerdef(oid)
  FROM pg_trigger
 WHERE tgrelid = %(table)s AND NOT tgisinternal AND tgname <> 'ts_insert_blocker'
 ORDER BY tgname;

-- name: views
SELECT c.relname, pg_get_viewdef(c.oid, true)
  FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
 ORDER BY c.relname;

-- name: functions
SELECT pg_get_functiondef(p.oid)
  FROM pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
 ORDER BY p.proname, p.oid;

-- name: hypertables
SELECT hypertable_name, column_name, time_interval::text
  FROM timescaledb_information.dimensions
 WHERE hypertable_schema = 'public'
 ORDER BY hypertable_name, dimension_number;
