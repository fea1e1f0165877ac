-- Statements of twin.store: load a district, place what stands in it.

-- name: lock
-- One load at a time: two that run at once would both open a new version of the same space.
SELECT pg_advisory_xact_lock(hashtext('blocktwin district'));

-- name: known_spaces
SELECT code, kind FROM space WHERE valid_to IS NULL;

-- name: known_gateways
SELECT gateway_id FROM gateway;

-- name: changed_outlines
-- Spaces in force whose outline differs from the given one.
SELECT s.space_id, s.code
  FROM space s
  JOIN jsonb_to_recordset(%(rows)s::jsonb) AS n(code text, outline jsonb) USING (code)
 WHERE s.valid_to IS NULL AND s.outline <> n.outline;

-- name: end_spaces
-- The old version stays, so an alarm of then still lies in the outline of then.
UPDATE space SET valid_to = now() WHERE space_id = ANY(%(ids)s);

-- name: update_spaces
-- What is no outline is corrected in place; returns only what was different.
UPDATE space s
   SET kind = n.kind, name = n.name, name_en = n.name_en, parent_id = p.space_id,
       height_m = n.height_m, source = n.source
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           code text, kind text, name text, name_en text, parent text, height_m real, source text)
  LEFT JOIN space p ON p.code = n.parent AND p.valid_to IS NULL
 WHERE s.code = n.code AND s.valid_to IS NULL
   AND (s.kind, s.name, s.name_en, s.parent_id, s.height_m, s.source)
       IS DISTINCT FROM (n.kind, n.name, n.name_en, p.space_id, n.height_m, n.source);

-- name: insert_spaces
-- One level of the tree; its parents are there already.
INSERT INTO space (code, kind, name, name_en, parent_id, outline, height_m, source)
SELECT n.code, n.kind, n.name, n.name_en, p.space_id, n.outline, n.height_m, n.source
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           code text, kind text, name text, name_en text, parent text, outline jsonb,
           height_m real, source text)
  LEFT JOIN space p ON p.code = n.parent AND p.valid_to IS NULL
 WHERE NOT EXISTS (SELECT FROM space s WHERE s.code = n.code AND s.valid_to IS NULL);

-- name: adopt_children
-- Spaces in force whose parent has ended move to the parent's new version.
UPDATE space child
   SET parent_id = now_in_force.space_id
  FROM space ended
  JOIN space now_in_force ON now_in_force.code = ended.code AND now_in_force.valid_to IS NULL
 WHERE child.parent_id = ended.space_id AND child.valid_to IS NULL AND ended.valid_to IS NOT NULL;

-- name: upsert_gateways
INSERT INTO gateway AS g (gateway_id, name, lon, lat)
SELECT n.gateway_id, n.name, n.lon, n.lat
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           gateway_id text, name text, lon double precision, lat double precision)
    ON CONFLICT (gateway_id) DO UPDATE
   SET name = excluded.name, lon = excluded.lon, lat = excluded.lat
 WHERE (g.name, g.lon, g.lat) IS DISTINCT FROM (excluded.name, excluded.lon, excluded.lat)
RETURNING (xmax = 0) AS added;

-- name: upsert_devices
-- Placement is a step of its own; a new device waits for it unplaced.
INSERT INTO device AS d (device_id, kind, field, name, lon, lat, height_m, address, gateway_id,
                         interval_s, placed_how, placed_note, attributes)
SELECT n.device_id, n.kind, n.field, n.name, n.lon, n.lat, n.height_m, n.address, n.gateway_id,
       n.interval_s, 'unplaced', 'not placed yet', n.attributes
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           device_id text, kind text, field text, name text, lon double precision,
           lat double precision, height_m real, address text, gateway_id text, interval_s real,
           attributes jsonb)
    ON CONFLICT (device_id) DO UPDATE
   SET kind = excluded.kind, field = excluded.field, name = excluded.name, lon = excluded.lon,
       lat = excluded.lat, height_m = excluded.height_m, address = excluded.address,
       gateway_id = excluded.gateway_id, interval_s = excluded.interval_s,
       attributes = excluded.attributes
 WHERE (d.kind, d.field, d.name, d.lon, d.lat, d.height_m, d.address, d.gateway_id, d.interval_s,
        d.attributes)
       IS DISTINCT FROM
       (excluded.kind, excluded.field, excluded.name, excluded.lon, excluded.lat,
        excluded.height_m, excluded.address, excluded.gateway_id, excluded.interval_s,
        excluded.attributes)
RETURNING (xmax = 0) AS added;

-- name: insert_series
-- Not ON CONFLICT: that burns a number for each series already there, and the engine's arrays are
-- as long as the largest number.
INSERT INTO series (device_id, quantity)
SELECT n.device_id, n.quantity
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(device_id text, quantity text)
 WHERE NOT EXISTS (
           SELECT FROM series s WHERE s.device_id = n.device_id AND s.quantity = n.quantity)
 ORDER BY n.device_id, n.quantity;

-- name: spaces_in_force
SELECT code, kind, outline FROM space WHERE valid_to IS NULL;

-- name: positions_of_devices
-- All devices, or those named.
SELECT device_id, lon, lat FROM device
 WHERE %(ids)s::text[] IS NULL OR device_id = ANY(%(ids)s) ORDER BY device_id;

-- name: positions_of_gateways
SELECT gateway_id, lon, lat FROM gateway
 WHERE %(ids)s::text[] IS NULL OR gateway_id = ANY(%(ids)s) ORDER BY gateway_id;

-- name: place_devices
UPDATE device d
   SET space_id = s.space_id, placed_how = n.how, placed_note = n.note
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(id text, code text, how text, note text)
  LEFT JOIN space s ON s.code = n.code AND s.valid_to IS NULL
 WHERE d.device_id = n.id
   AND (d.space_id, d.placed_how, d.placed_note) IS DISTINCT FROM (s.space_id, n.how, n.note);

-- name: place_gateways
UPDATE gateway g
   SET space_id = s.space_id
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(id text, code text)
  LEFT JOIN space s ON s.code = n.code AND s.valid_to IS NULL
 WHERE g.gateway_id = n.id AND g.space_id IS DISTINCT FROM s.space_id;

-- name: announce
-- Workers and the API read the registry again; it is delivered with the commit.
SELECT pg_notify('blocktwin_registry', '');

-- name: list_spaces
-- How many spaces of each level are in force.
SELECT kind, count(*) AS n FROM space WHERE valid_to IS NULL GROUP BY kind;

-- name: list_districts
SELECT code, name, name_en FROM space WHERE valid_to IS NULL AND kind = 'district' ORDER BY code;

-- name: list_devices
-- How many devices of each field there are, and how they are placed.
SELECT field, placed_how, count(*) AS n FROM device GROUP BY field, placed_how
 ORDER BY field, placed_how;

-- name: list_counts
SELECT (SELECT count(*) FROM gateway) AS gateways, (SELECT count(*) FROM series) AS series;
