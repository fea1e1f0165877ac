-- name: alarms
-- The newest alarms of a state and field; a NULL parameter asks for all.
SELECT a.alarm_id::text, a.rule_id, a.rule_version, r.body -> 'name' AS name,
       r.body ->> 'type' AS rule_type, r.body ->> 'forecast' AS forecast, a.field, a.severity, a.peak_severity, a.state, a.latch,
       a.subject, a.device_id, a.gateway_id, s.code AS space, a.quantity, a.value, a.threshold,
       a.raised_at, a.detected_at, a.returned_at, a.acknowledged_at, a.acknowledged_by, a.closed_at,
       a.closed_by, a.close_cause, a.occurrences, a.assigned_to, a.hidden, a.hidden_until,
       a.hidden_by, a.hidden_why, a.life_safety, a.advisory, a.said
  FROM alarm a
  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
  LEFT JOIN space s ON s.space_id = a.space_id
 WHERE (%(closed)s::boolean IS NULL OR (a.closed_at IS NOT NULL) = %(closed)s)
   AND (%(field)s::text IS NULL OR a.field = %(field)s)
   AND (%(hidden)s::boolean IS NULL OR (a.hidden IS NOT NULL) = %(hidden)s)
   AND (%(alarm)s::uuid IS NULL OR a.alarm_id = %(alarm)s)
 ORDER BY a.raised_at DESC, a.alarm_id LIMIT %(limit)s;

-- name: events
-- The newest changes of an alarm, in order.
SELECT event_id, kind, at, event_at, actor, severity, state, value, note, hidden, about
  FROM (SELECT * FROM alarm_event
         WHERE alarm_id = %(alarm)s ORDER BY event_id DESC LIMIT %(limit)s) newest
 ORDER BY event_id;

-- name: occurrences
-- The newest times that its condition began, in order.
SELECT number, onset_at, detected_at, returned_at, severity, value, threshold
  FROM (SELECT * FROM alarm_occurrence
         WHERE alarm_id = %(alarm)s ORDER BY number DESC LIMIT %(limit)s) newest
 ORDER BY number;
