-- Statements of twin.devices: the twin of each device, its moves and replacements.

-- name: device
SELECT d.device_id, d.kind, d.field, d.name, d.lon, d.lat, d.height_m, d.address, d.gateway_id,
       d.interval_s, d.space_id, s.code AS space, d.placed_how, d.placed_note, d.frame,
       d.attributes, d.created_at
  FROM device d LEFT JOIN space s USING (space_id)
 WHERE d.device_id = %(device)s;

-- name: hold
-- Keep the device as it is until the end of the transaction.
SELECT kind FROM device WHERE device_id = %(device)s FOR UPDATE;

-- name: gateway_exists
SELECT EXISTS (SELECT FROM gateway WHERE gateway_id = %(gateway)s);

-- name: move
UPDATE device
   SET lon = %(lon)s, lat = %(lat)s, frame = %(frame)s,
       height_m = coalesce(%(height_m)s::real, height_m),
       gateway_id = coalesce(%(gateway)s, gateway_id)
 WHERE device_id = %(device)s;

-- name: installation_now
SELECT serial, vendor, model, from_at, recorded_at FROM device_installation
 WHERE device_id = %(device)s AND to_at IS NULL;

-- name: end_installation
UPDATE device_installation SET to_at = %(at)s WHERE device_id = %(device)s AND to_at IS NULL;

-- name: insert_installation
INSERT INTO device_installation (device_id, serial, vendor, model, from_at, reason, by)
VALUES (%(device)s, %(serial)s, %(vendor)s, %(model)s, %(at)s, %(reason)s, %(by)s);

-- name: installations
SELECT serial, vendor, model, from_at, to_at, recorded_at, reason, by
  FROM device_installation WHERE device_id = %(device)s ORDER BY installation_id;

-- name: places
-- The newest places of a device, the newest first.
SELECT p.lon, p.lat, p.height_m, s.code AS space, p.gateway_id, p.placed_how, p.placed_note,
       p.from_at, p.to_at, p.recorded_at, p.reason, p.by
  FROM device_place p LEFT JOIN space s USING (space_id)
 WHERE p.device_id = %(device)s ORDER BY p.place_id DESC LIMIT %(limit)s;

-- name: series
SELECT series_id, quantity FROM series WHERE device_id = %(device)s ORDER BY series_id;

-- name: hold_twin
-- One writer of a device's attributes at a time; the row is made by the first. The time is taken
-- when the row is held, so that later versions have later times.
INSERT INTO device_twin (device_id) VALUES (%(device)s)
    ON CONFLICT (device_id) DO UPDATE SET device_id = excluded.device_id
RETURNING desired_version, reported_version, clock_timestamp() AS now;

-- name: versions
SELECT desired_version, reported_version, reported_at FROM device_twin
 WHERE device_id = %(device)s;

-- name: count_desired
UPDATE device_twin SET desired_version = %(version)s WHERE device_id = %(device)s;

-- name: count_reported
UPDATE device_twin
   SET reported_version = %(version)s,
       reported_at = greatest(coalesce(reported_at, %(at)s), %(at)s)
 WHERE device_id = %(device)s;

-- name: attributes
-- What holds of each attribute at a time (null: now): the newest change by then.
SELECT side, name, value, at, by, version, change_id, said_until
  FROM (SELECT DISTINCT ON (side, name) side, name, value, at, by, version, change_id, said_until
          FROM attribute_change
         WHERE device_id = %(device)s
           AND (%(at)s::timestamptz IS NULL OR at <= %(at)s)
         ORDER BY side, name, at DESC, change_id DESC) newest
 WHERE value IS NOT NULL
 ORDER BY side, name;

-- name: insert_changes
-- All at one time by one writer, but for those that say another.
INSERT INTO attribute_change (device_id, side, name, value, version, at, by)
SELECT %(device)s, %(side)s, n.name, nullif(n.value, 'null'::jsonb), %(version)s,
       coalesce(n.at, %(at)s), coalesce(n.by, %(by)s)
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(name text, value jsonb, at timestamptz, by text);

-- name: say_until
-- The newest report that said the same as these changes; null when another one came in between.
UPDATE attribute_change SET said_until = %(until)s WHERE change_id = ANY(%(changes)s);

-- name: changes
-- A page of the changes of a device's attributes, the newest first.
SELECT change_id, side, name, value, version, at, by
  FROM attribute_change
 WHERE device_id = %(device)s
   AND (%(side)s::text IS NULL OR side = %(side)s)
   AND (%(name)s::text IS NULL OR name = %(name)s)
   AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
   AND (%(until)s::timestamptz IS NULL OR at <= %(until)s)
   AND (%(after)s::bigint IS NULL OR change_id < %(after)s)
 ORDER BY change_id DESC
 LIMIT %(limit)s;

-- name: list
-- Devices with when they were last heard; `inside` is the space and all that lies in it.
WITH RECURSIVE inside AS (
    SELECT space_id FROM space WHERE code = %(space)s AND valid_to IS NULL
    UNION
    SELECT child.space_id FROM space child JOIN inside ON child.parent_id = inside.space_id
), heard AS (
    SELECT s.device_id, max(l.received_at) AS at
      FROM series s JOIN latest l USING (series_id) GROUP BY s.device_id
)
SELECT d.device_id, d.kind, d.field, d.name, d.lon, d.lat, d.gateway_id, s.code AS space,
       d.placed_how, d.interval_s, h.at AS heard_at,
       CASE WHEN h.at IS NULL THEN 'never'
            WHEN now() - h.at > make_interval(secs => d.interval_s * %(stale_intervals)s)
            THEN 'stale' ELSE 'fresh' END AS freshness
  FROM device d
  LEFT JOIN space s USING (space_id)
  LEFT JOIN heard h USING (device_id)
 WHERE (%(space)s::text IS NULL OR d.space_id IN (SELECT space_id FROM inside))
   AND (%(kind)s::text IS NULL OR d.kind = %(kind)s)
   AND (NOT %(stale)s OR h.at IS NULL
        OR now() - h.at > make_interval(secs => d.interval_s * %(stale_intervals)s))
 ORDER BY d.device_id
 LIMIT %(limit)s;

-- name: announce
SELECT pg_notify('blocktwin_registry', '');
