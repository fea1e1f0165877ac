-- What the API reads. Nothing here writes.

-- name: gateways
SELECT g.gateway_id, g.name, g.lon, g.lat, coalesce(t.online, false) AS online, t.at
  FROM gateway g LEFT JOIN gateway_status t USING (gateway_id) ORDER BY g.gateway_id;

-- name: last_event_id
SELECT coalesce(max(event_id), 0) FROM alarm_event;

-- name: open_alarms
SELECT alarm_id::text, field, quantity, severity, state, hidden, device_id, space_id
  FROM alarm WHERE closed_at IS NULL;

-- name: seen
-- When each series was last received: one value of 12 bytes a series, int4 and int8 of the
-- microseconds since 2000-01-01, because rows cost the driver a hundred times as much.
SELECT string_agg(int4send(series_id) || timestamptz_send(received_at), ''::bytea)
  FROM latest;

-- name: tally
SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored,
       coalesce(sum(rejected), 0)::bigint AS rejected,
       coalesce(sum(duplicates), 0)::bigint AS duplicates,
       coalesce(sum(redelivered), 0)::bigint AS redelivered
  FROM tally;

-- name: status
SELECT (SELECT max(received_at) FROM latest) AS last_reading_at,
       (SELECT value FROM store_fact WHERE key = 'timescaledb_version') AS timescaledb_version,
       (SELECT value FROM store_fact WHERE key = 'timescaledb_edition') AS timescaledb_edition,
       (SELECT max(name) FROM schema_migration) AS schema_name,
       (SELECT count(*) FROM alarm WHERE closed_at IS NULL AND hidden IS NULL) AS open_alarms;

-- name: probe
SELECT 1;

-- name: spaces
-- Outlines go from here to the client as text, unparsed.
SELECT s.space_id, s.code, s.kind, s.name, s.name_en, p.code AS parent, s.height_m, s.source,
       s.outline::text AS outline
  FROM space s LEFT JOIN space p ON p.space_id = s.parent_id
 WHERE s.valid_to IS NULL
   AND (%(kinds)s::text[] IS NULL OR s.kind = ANY(%(kinds)s))
   AND (%(codes)s::text[] IS NULL OR s.code = ANY(%(codes)s))
 ORDER BY s.space_id;

-- name: devices
-- A page of devices by id; `inside` is the space and all that lies in it.
WITH RECURSIVE inside AS (
    SELECT space_id FROM space WHERE code = %(space)s AND valid_to IS NULL
    UNION
    SELECT child.space_id FROM space child JOIN inside ON child.parent_id = inside.space_id
)
SELECT d.device_id, d.kind, d.field, d.name, d.lon, d.lat, d.height_m, d.gateway_id,
       s.code AS space, d.placed_how, d.interval_s
  FROM device d LEFT JOIN space s USING (space_id)
 WHERE (%(field)s::text IS NULL OR d.field = %(field)s)
   AND (%(kind)s::text IS NULL OR d.kind = %(kind)s)
   AND (%(gateway)s::text IS NULL OR d.gateway_id = %(gateway)s)
   AND (%(space)s::text IS NULL OR d.space_id IN (SELECT space_id FROM inside))
   AND (%(after)s::text IS NULL OR d.device_id > %(after)s)
 ORDER BY d.device_id
 LIMIT %(limit)s;

-- name: device
SELECT d.device_id, d.kind, d.field, d.name, d.lon, d.lat, d.height_m, d.address, d.gateway_id,
       t.online AS gateway_online, d.interval_s, d.placed_how, d.placed_note, d.attributes,
       d.space_id
  FROM device d LEFT JOIN gateway_status t USING (gateway_id)
 WHERE d.device_id = %(device)s;

-- name: device_series
SELECT s.series_id, s.quantity, l.observed_at, l.received_at, l.value, l.quality
  FROM series s LEFT JOIN latest l USING (series_id)
 WHERE s.device_id = %(device)s ORDER BY s.series_id;

-- name: limit_rules
-- Active rules that compare one of these quantities with levels.
SELECT rule_id, body FROM rule
 WHERE active AND body->>'type' IN ('high', 'low')
   AND body->'select'->>'quantity' = ANY(%(quantities)s)
 ORDER BY rule_id;

-- name: alarms
-- Newest first. A space means it and all that lies or lay in it, replaced outlines included.
WITH RECURSIVE inside AS (
    SELECT space_id FROM space WHERE code = %(space)s
    UNION
    SELECT child.space_id FROM space child JOIN inside ON child.parent_id = inside.space_id
)
SELECT a.alarm_id::text, a.rule_id, a.rule_version, r.body->'name' AS name,
       r.body->'advice' AS advice, r.body->>'type' AS rule_type, r.body->>'forecast' AS forecast, a.field, a.severity,
       a.peak_severity, a.state, a.latch,
       a.subject, a.device_id, d.name AS device_name, a.gateway_id, a.space_id, s.code AS space,
       coalesce(d.lon, g.lon) AS lon, coalesce(d.lat, g.lat) AS lat, a.quantity, a.value,
       a.threshold, a.raised_at, a.detected_at, a.returned_at, a.acknowledged_at,
       a.acknowledged_by, a.closed_at, a.closed_by, a.close_cause, a.occurrences, a.assigned_to,
       a.hidden, a.hidden_until, a.hidden_by, a.hidden_why, a.life_safety, a.advisory, a.said,
       i.incident_id::text, a.last_event_id AS event_id
  FROM alarm a
  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
  LEFT JOIN device d ON d.device_id = a.device_id
  LEFT JOIN gateway g ON g.gateway_id = a.gateway_id
  LEFT JOIN space s ON s.space_id = a.space_id
  LEFT JOIN incident_alarm i ON i.alarm_id = a.alarm_id
 WHERE (%(ids)s::uuid[] IS NULL OR a.alarm_id = ANY(%(ids)s::uuid[]))
   AND (%(open)s::boolean IS NULL OR (a.closed_at IS NULL) = %(open)s)
   AND (%(field)s::text IS NULL OR a.field = %(field)s)
   AND (%(severity)s::smallint IS NULL OR a.severity = %(severity)s)
   AND (%(device)s::text IS NULL OR a.device_id = %(device)s)
   AND (%(hidden)s::boolean IS NULL OR (a.hidden IS NOT NULL) = %(hidden)s)
   AND (%(space)s::text IS NULL OR a.space_id IN (SELECT space_id FROM inside))
   AND (%(after_at)s::timestamptz IS NULL
        OR (a.raised_at <= %(after_at)s
            AND (a.raised_at < %(after_at)s OR a.alarm_id > %(after_id)s::uuid)))
 ORDER BY a.raised_at DESC, a.alarm_id
 LIMIT %(limit)s;

-- name: alarm_events
-- The newest changes of an alarm, in order; an alarm that flaps for days has very many.
SELECT event_id, event_key::text, kind, at, event_at, actor, severity, state, value, note, hidden,
       about
  FROM (SELECT * FROM alarm_event
         WHERE alarm_id = %(alarm)s::uuid ORDER BY event_id DESC LIMIT %(limit)s) newest
 ORDER BY event_id;

-- name: alarm_occurrences
-- The newest times that the condition of an alarm began, in order.
SELECT number, onset_at, detected_at, returned_at, severity, value, threshold
  FROM (SELECT * FROM alarm_occurrence
         WHERE alarm_id = %(alarm)s::uuid ORDER BY number DESC LIMIT %(limit)s) newest
 ORDER BY number;

-- name: events_after
SELECT event_id, alarm_id::text, event_key::text, kind, at, event_at, actor, severity, state, value,
       note, hidden, about
  FROM alarm_event WHERE event_id > %(after)s ORDER BY event_id LIMIT %(limit)s;

-- name: listen_alarm
LISTEN blocktwin_alarm;

-- name: listen_registry
LISTEN blocktwin_registry;
