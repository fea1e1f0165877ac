-- What twin.features reads. Boxes are arrays of west, south, east, north; null is anywhere.

-- name: spaces
-- Outlines in force, by code.
SELECT s.code AS id, s.code, s.kind, s.name, s.name_en, p.code AS parent, s.height_m, s.source,
       s.frame, s.valid_from, s.valid_to, s.outline::text AS outline
  FROM space s LEFT JOIN space p ON p.space_id = s.parent_id
 WHERE s.valid_to IS NULL ORDER BY s.code COLLATE "C";

-- name: space_versions
-- Every outline there ever was, in the order they came.
SELECT lpad(s.space_id::text, 10, '0') AS id, s.code, s.kind, s.name, s.name_en, p.code AS parent,
       s.height_m, s.source, s.frame, s.valid_from, s.valid_to, s.outline::text AS outline
  FROM space s LEFT JOIN space p ON p.space_id = s.parent_id
 ORDER BY s.space_id;

-- name: devices
SELECT d.device_id AS id, d.device_id, d.kind, d.field, d.name, d.lon, d.lat, d.height_m,
       d.address, d.gateway_id, s.code AS space, d.placed_how, d.placed_note, d.interval_s,
       d.frame, d.created_at
  FROM device d LEFT JOIN space s USING (space_id)
 WHERE (%(id)s::text IS NULL OR d.device_id = %(id)s)
   AND (%(after)s::text IS NULL OR d.device_id > %(after)s)
   AND (%(kind)s::text IS NULL OR d.kind = %(kind)s)
   AND (%(field)s::text IS NULL OR d.field = %(field)s)
   AND (%(gateway_id)s::text IS NULL OR d.gateway_id = %(gateway_id)s)
   AND (%(space)s::text IS NULL OR s.code = %(space)s)
   AND (%(until)s::timestamptz IS NULL OR d.created_at <= %(until)s)
   AND (%(boxes)s::float8[] IS NULL
        OR EXISTS (SELECT FROM generate_series(1, array_length(%(boxes)s::float8[], 1), 4) i
                    WHERE d.lon BETWEEN (%(boxes)s::float8[])[i] AND (%(boxes)s::float8[])[i + 2]
                      AND d.lat BETWEEN (%(boxes)s::float8[])[i + 1]
                                    AND (%(boxes)s::float8[])[i + 3]))
 ORDER BY d.device_id
 LIMIT %(limit)s;

-- name: device_count
SELECT count(*)
  FROM device d LEFT JOIN space s USING (space_id)
 WHERE (%(kind)s::text IS NULL OR d.kind = %(kind)s)
   AND (%(field)s::text IS NULL OR d.field = %(field)s)
   AND (%(gateway_id)s::text IS NULL OR d.gateway_id = %(gateway_id)s)
   AND (%(space)s::text IS NULL OR s.code = %(space)s)
   AND (%(until)s::timestamptz IS NULL OR d.created_at <= %(until)s)
   AND (%(boxes)s::float8[] IS NULL
        OR EXISTS (SELECT FROM generate_series(1, array_length(%(boxes)s::float8[], 1), 4) i
                    WHERE d.lon BETWEEN (%(boxes)s::float8[])[i] AND (%(boxes)s::float8[])[i + 2]
                      AND d.lat BETWEEN (%(boxes)s::float8[])[i + 1]
                                    AND (%(boxes)s::float8[])[i + 3]));

-- name: alarms
-- Newest first; the cursor is when the last one was raised, and its id. An alarm that stands
-- nowhere lies in every box (OGC 17-069r4, /req/core/fc-bbox-response C).
SELECT a.alarm_id::text AS id, a.alarm_id::text, a.rule_id, a.rule_version,
       r.body->'name'->>'zh' AS name_zh, r.body->'name'->>'en' AS name_en, a.field, a.severity,
       a.peak_severity, a.state, a.subject, a.device_id, a.gateway_id, s.code AS space,
       a.quantity, a.value, a.threshold, a.raised_at, a.detected_at, a.returned_at,
       a.acknowledged_at, a.acknowledged_by, a.closed_at, a.closed_by, a.close_cause,
       a.occurrences, coalesce(d.lon, g.lon) AS lon, coalesce(d.lat, g.lat) AS lat, d.height_m
  FROM alarm a
  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
  LEFT JOIN device d ON d.device_id = a.device_id
  LEFT JOIN gateway g ON g.gateway_id = a.gateway_id
  LEFT JOIN space s ON s.space_id = a.space_id
 WHERE (%(id)s::uuid IS NULL OR a.alarm_id = %(id)s::uuid)
   AND (%(after_at)s::timestamptz IS NULL
        OR (a.raised_at <= %(after_at)s
            AND (a.raised_at < %(after_at)s OR a.alarm_id > %(after_id)s::uuid)))
   AND (%(field)s::text IS NULL OR a.field = %(field)s)
   AND (%(severity)s::text IS NULL OR a.severity = %(severity)s::smallint)
   AND (%(state)s::text IS NULL OR a.state = %(state)s)
   AND (%(rule_id)s::text IS NULL OR a.rule_id = %(rule_id)s)
   AND (%(device_id)s::text IS NULL OR a.device_id = %(device_id)s)
   AND (%(until)s::timestamptz IS NULL OR a.raised_at <= %(until)s)
   AND (%(since)s::timestamptz IS NULL OR a.closed_at IS NULL OR a.closed_at >= %(since)s)
   AND (%(boxes)s::float8[] IS NULL OR coalesce(d.lon, g.lon) IS NULL
        OR EXISTS (SELECT FROM generate_series(1, array_length(%(boxes)s::float8[], 1), 4) i
                    WHERE coalesce(d.lon, g.lon) BETWEEN (%(boxes)s::float8[])[i]
                                                     AND (%(boxes)s::float8[])[i + 2]
                      AND coalesce(d.lat, g.lat) BETWEEN (%(boxes)s::float8[])[i + 1]
                                                     AND (%(boxes)s::float8[])[i + 3]))
 ORDER BY a.raised_at DESC, a.alarm_id
 LIMIT %(limit)s;

-- name: alarm_count
-- Counted to `most` only: beyond it the number is not said.
SELECT count(*) FROM (
SELECT
  FROM alarm a
  LEFT JOIN device d ON d.device_id = a.device_id
  LEFT JOIN gateway g ON g.gateway_id = a.gateway_id
 WHERE (%(field)s::text IS NULL OR a.field = %(field)s)
   AND (%(severity)s::text IS NULL OR a.severity = %(severity)s::smallint)
   AND (%(state)s::text IS NULL OR a.state = %(state)s)
   AND (%(rule_id)s::text IS NULL OR a.rule_id = %(rule_id)s)
   AND (%(device_id)s::text IS NULL OR a.device_id = %(device_id)s)
   AND (%(until)s::timestamptz IS NULL OR a.raised_at <= %(until)s)
   AND (%(since)s::timestamptz IS NULL OR a.closed_at IS NULL OR a.closed_at >= %(since)s)
   AND (%(boxes)s::float8[] IS NULL OR coalesce(d.lon, g.lon) IS NULL
        OR EXISTS (SELECT FROM generate_series(1, array_length(%(boxes)s::float8[], 1), 4) i
                    WHERE coalesce(d.lon, g.lon) BETWEEN (%(boxes)s::float8[])[i]
                                                     AND (%(boxes)s::float8[])[i + 2]
                      AND coalesce(d.lat, g.lat) BETWEEN (%(boxes)s::float8[])[i + 1]
                                                     AND (%(boxes)s::float8[])[i + 3]))
 LIMIT %(most)s) counted;

-- name: extent_of_devices
SELECT min(lon), min(lat), max(lon), max(lat), min(created_at) FROM device;

-- name: extent_of_alarms
-- Alarms stand where devices and gateways stand.
SELECT least(d.west, g.west), least(d.south, g.south), greatest(d.east, g.east),
       greatest(d.north, g.north), (SELECT min(raised_at) FROM alarm)
  FROM (SELECT min(lon) AS west, min(lat) AS south, max(lon) AS east, max(lat) AS north
          FROM device) d,
       (SELECT min(lon) AS west, min(lat) AS south, max(lon) AS east, max(lat) AS north
          FROM gateway) g;
