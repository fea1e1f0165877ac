-- name: events
-- Alarm events for the CAP feed, the newest first, each with the alerts that it follows on. Canaries
-- are no alarms to anybody else.
SELECT e.event_id, e.event_key, e.kind, e.at, e.event_at, e.actor, e.severity, e.value, e.note,
       a.alarm_id, a.rule_id, r.body -> 'name' AS name, r.body -> 'advice' AS advice,
       r.body ->> 'type' AS rule_type, r.body ->> 'forecast' AS forecast, a.field, a.subject, d.name AS device_name, d.address,
       s.code AS space, s.name AS space_name, coalesce(d.lon, g.lon) AS lon,
       coalesce(d.lat, g.lat) AS lat, a.quantity, a.threshold, a.said, a.life_safety, a.raised_at,
       a.close_cause,
       ARRAY(SELECT b.event_key::text FROM alarm_event b
              WHERE b.alarm_id = e.alarm_id AND b.event_id < e.event_id AND b.kind = ANY(%(kinds)s)
              ORDER BY b.event_id DESC LIMIT 20) AS before_keys,
       ARRAY(SELECT b.at FROM alarm_event b
              WHERE b.alarm_id = e.alarm_id AND b.event_id < e.event_id AND b.kind = ANY(%(kinds)s)
              ORDER BY b.event_id DESC LIMIT 20) AS before_times
  FROM alarm_event e JOIN alarm a USING (alarm_id)
  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
  LEFT JOIN device d ON d.device_id = a.device_id
  LEFT JOIN gateway g ON g.gateway_id = a.gateway_id
  LEFT JOIN space s ON s.space_id = a.space_id
 WHERE e.kind = ANY(%(kinds)s) AND a.rule_id <> 'canary'
   AND (%(event)s::bigint IS NULL OR e.event_id = %(event)s)
   AND (%(field)s::text IS NULL OR a.field = %(field)s)
   AND e.severity >= %(severity)s
 ORDER BY e.event_id DESC LIMIT %(limit)s;
