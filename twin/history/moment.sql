-- The district at a moment: its grid, the newest readings before it, and the alarms open then.

-- name: spaces
-- All versions; in force is the one valid then. A space younger than the moment counts from its
-- first version on.
SELECT space_id, code, kind, name, name_en, parent_id,
       CASE WHEN %(at)s::timestamptz IS NULL THEN valid_to IS NULL
            ELSE (valid_from <= %(at)s
                  OR space_id = min(space_id) OVER (PARTITION BY code))
                 AND (valid_to IS NULL OR valid_to > %(at)s) END AS in_force
  FROM space ORDER BY space_id;

-- name: devices_then
-- Those installed then, in the space of then. Without a date of installation a device counts as
-- always there, and its first known place as where it was before.
SELECT d.device_id, d.interval_s, p.space_id
  FROM device d
  JOIN device_place p ON p.device_id = d.device_id
       AND (p.from_at IS NULL OR p.from_at <= %(at)s)
       AND (p.to_at IS NULL OR p.to_at > %(at)s)
 WHERE d.device_id <> ALL(%(absent)s)
 ORDER BY d.device_id;

-- name: moved
-- Devices whose place was another then, and whether that was another position.
SELECT p.device_id, p.space_id, p.lon, p.lat, (p.lon, p.lat) <> (d.lon, d.lat) AS elsewhere
  FROM device_place p JOIN device d USING (device_id)
 WHERE p.to_at > %(at)s::timestamptz AND (p.from_at IS NULL OR p.from_at <= %(at)s);

-- name: absent
-- Devices whose first instrument came later; few have a date, and those are in an index.
SELECT i.device_id FROM device_installation i
 WHERE i.from_at > %(at)s::timestamptz
   AND NOT EXISTS (SELECT FROM device_installation earlier
                    WHERE earlier.device_id = i.device_id
                      AND (earlier.from_at IS NULL OR earlier.from_at <= %(at)s))
 ORDER BY 1;

-- name: redrawn
-- Whether the grid of then had an outline that was replaced or ended since.
SELECT EXISTS (SELECT FROM space WHERE valid_to > %(at)s::timestamptz);

-- name: devices
SELECT device_id, interval_s, space_id FROM device ORDER BY device_id;

-- name: series
SELECT series_id, device_id FROM series;

-- name: gateways
SELECT gateway_id, name, lon, lat FROM gateway ORDER BY gateway_id;

-- name: event
-- Numbers are drawn in the order of commits, so the search goes back from the newest.
SELECT event_id FROM alarm_event WHERE at <= %(at)s ORDER BY event_id DESC LIMIT 1;

-- name: alarms
-- The alarms that were known and not closed, each as its last event by then left it.
SELECT a.alarm_id::text, a.field, a.quantity, e.severity, e.state, e.hidden, a.device_id,
       a.space_id
  FROM alarm a
 CROSS JOIN LATERAL (SELECT severity, state, hidden FROM alarm_event
                      WHERE alarm_id = a.alarm_id AND at <= %(at)s
                      ORDER BY event_id DESC LIMIT 1) e
 WHERE a.detected_at <= %(at)s AND (a.closed_at IS NULL OR a.closed_at > %(at)s);

-- name: values_raw
-- The newest reading of each series by then, one probe of an index a series; 24 bytes each: int4
-- id, int8 microseconds since 2000-01-01, float8 value, int4 quality. `since` bounds the chunks.
SELECT string_agg(int4send(s.series_id) || timestamptz_send(r.observed_at)
                  || float8send(r.value) || int4send(r.quality), ''::bytea)
  FROM series s JOIN device d USING (device_id)
 CROSS JOIN LATERAL (
       SELECT observed_at, value, quality FROM reading
        WHERE series_id = s.series_id
          AND observed_at <= %(at)s::timestamptz AND observed_at > %(since)s::timestamptz
          AND observed_at > %(at)s::timestamptz
                            - make_interval(secs => greatest(d.interval_s * %(intervals)s, 60))
        ORDER BY observed_at DESC LIMIT 1) r;

-- name: values_1m
-- The same from the rollup, of rows that end by then; the time is the end of the row.
SELECT string_agg(int4send(s.series_id) || timestamptz_send(r.bucket + interval '1 minute')
                  || float8send(r.last) || int4send(0), ''::bytea)
  FROM series s JOIN device d USING (device_id)
 CROSS JOIN LATERAL (
       SELECT bucket, last FROM reading_1m
        WHERE series_id = s.series_id AND good > 0
          AND bucket <= %(at)s::timestamptz - interval '1 minute'
          AND bucket > %(since)s::timestamptz - interval '1 minute'
          AND bucket > %(at)s::timestamptz - interval '1 minute'
                       - make_interval(secs => greatest(d.interval_s * %(intervals)s, 60))
        ORDER BY bucket DESC LIMIT 1) r;

-- name: values_1h
SELECT string_agg(int4send(s.series_id) || timestamptz_send(r.bucket + interval '1 hour')
                  || float8send(r.last) || int4send(0), ''::bytea)
  FROM series s JOIN device d USING (device_id)
 CROSS JOIN LATERAL (
       SELECT bucket, last FROM reading_1h
        WHERE series_id = s.series_id AND good > 0
          AND bucket <= %(at)s::timestamptz - interval '1 hour'
          AND bucket > %(since)s::timestamptz - interval '1 hour'
          AND bucket > %(at)s::timestamptz - interval '1 hour'
                       - make_interval(secs => greatest(d.interval_s * %(intervals)s, 3600))
        ORDER BY bucket DESC LIMIT 1) r;

-- name: values_1d
SELECT string_agg(int4send(s.series_id) || timestamptz_send(r.bucket + interval '1 day')
                  || float8send(r.last) || int4send(0), ''::bytea)
  FROM series s JOIN device d USING (device_id)
 CROSS JOIN LATERAL (
       SELECT bucket, last FROM reading_1d
        WHERE series_id = s.series_id AND good > 0
          AND bucket <= %(at)s::timestamptz - interval '1 day'
          AND bucket > %(since)s::timestamptz - interval '1 day'
          AND bucket > %(at)s::timestamptz - interval '1 day'
                       - make_interval(secs => greatest(d.interval_s * %(intervals)s, 86400))
        ORDER BY bucket DESC LIMIT 1) r;
