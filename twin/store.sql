-- Statements of twin.store: register gateways, devices and series; count what is there.

-- name: known_spaces
SELECT code, kind FROM space WHERE valid_to IS NULL;

-- name: known_gateways
SELECT gateway_id FROM gateway;

-- name: upsert_gateways
INSERT INTO gateway AS g (gateway_id, name, lon, lat)
SELECT n.gateway_id, n.name, n.lon, n.lat
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           gateway_id text, name text, lon double precision, lat double precision)
    ON CONFLICT (gateway_id) DO UPDATE
   SET name = excluded.name, lon = excluded.lon, lat = excluded.lat
 WHERE (g.name, g.lon, g.lat) IS DISTINCT FROM (excluded.name, excluded.lon, excluded.lat)
RETURNING 'gateway', gateway_id, (xmax = 0) AS added;

-- name: upsert_devices
-- Placement is a step of its own; a new device waits for it unplaced.
INSERT INTO device AS d (device_id, kind, field, name, lon, lat, height_m, address, gateway_id,
                         interval_s, placed_how, placed_note, attributes, frame)
SELECT n.device_id, n.kind, n.field, n.name, n.lon, n.lat, n.height_m, n.address, n.gateway_id,
       n.interval_s, 'unplaced', 'not placed yet', n.attributes, n.frame
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           device_id text, kind text, field text, name text, lon double precision,
           lat double precision, height_m real, address text, gateway_id text, interval_s real,
           attributes jsonb, frame text)
    ON CONFLICT (device_id) DO UPDATE
   SET kind = excluded.kind, field = excluded.field, name = excluded.name, lon = excluded.lon,
       lat = excluded.lat, height_m = excluded.height_m, address = excluded.address,
       gateway_id = excluded.gateway_id, interval_s = excluded.interval_s,
       attributes = excluded.attributes, frame = excluded.frame
 WHERE (d.kind, d.field, d.name, d.lon, d.lat, d.height_m, d.address, d.gateway_id, d.interval_s,
        d.attributes, d.frame)
       IS DISTINCT FROM
       (excluded.kind, excluded.field, excluded.name, excluded.lon, excluded.lat,
        excluded.height_m, excluded.address, excluded.gateway_id, excluded.interval_s,
        excluded.attributes, excluded.frame)
RETURNING 'device', device_id, (xmax = 0) AS added;

-- name: insert_series
-- Not ON CONFLICT: that burns a number for each series already there, and the engine's arrays are
-- as long as the largest number.
INSERT INTO series (device_id, quantity)
SELECT n.device_id, n.quantity
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(device_id text, quantity text)
 WHERE NOT EXISTS (
           SELECT FROM series s WHERE s.device_id = n.device_id AND s.quantity = n.quantity)
 ORDER BY n.device_id, n.quantity;

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
