-- name: lock_rules
-- Two workers that start at once must not both write a new version.
SELECT pg_advisory_xact_lock(hashtextextended('blocktwin.rules', 0));

-- name: active_rules
SELECT rule_id, version, sha256 FROM rule WHERE active;

-- name: retire_rules
UPDATE rule SET active = false WHERE active AND rule_id = ANY(%(rules)s);

-- name: add_rule
INSERT INTO rule (rule_id, version, body, sha256)
SELECT %(rule)s, coalesce(max(version), 0) + 1, %(body)s, %(sha256)s
  FROM rule WHERE rule_id = %(rule)s
RETURNING version;

-- name: lock_events
-- Held to the end of the transaction by everybody who writes alarm events: it makes the order of
-- event numbers the order of commits, and one alarm the business of one writer at a time.
SELECT pg_advisory_xact_lock(hashtextextended('blocktwin.alarm_event', 0));

-- name: open_alarms
-- The open alarm, if any, of each of some (rule, subject).
SELECT a.alarm_id, a.rule_id, a.rule_version, a.subject, a.severity, a.peak_severity, a.state,
       a.latch, a.value, a.threshold, a.raised_at, a.detected_at, a.returned_at, a.acknowledged_at,
       a.acknowledged_by, a.closed_at, a.closed_by, a.close_cause, a.occurrences
  FROM alarm a
  JOIN (SELECT DISTINCT r, s FROM unnest(%(rules)s::text[], %(subjects)s::text[]) AS w (r, s)) w
    ON a.rule_id = w.r AND a.subject = w.s
 WHERE a.closed_at IS NULL;

-- name: one_alarm
SELECT alarm_id, rule_id, rule_version, subject, severity, peak_severity, state,
       latch, value, threshold, raised_at, detected_at, returned_at, acknowledged_at,
       acknowledged_by, closed_at, closed_by, close_cause, occurrences
  FROM alarm WHERE alarm_id = %(alarm)s;

-- name: known_alarms
SELECT alarm_id FROM alarm WHERE alarm_id = ANY(%(alarms)s);

-- name: known_events
-- What the engine has said of some alarms at some moments.
SELECT alarm_id, kind, event_at FROM alarm_event
 WHERE alarm_id = ANY(%(alarms)s) AND event_at = ANY(%(moments)s) AND actor = 'engine';

-- name: add_events
-- Numbers are drawn in the order of the given rows.
INSERT INTO alarm_event (alarm_id, kind, at, event_at, actor, severity, state, value, note)
SELECT alarm_id, kind, at, event_at, actor, severity, state, value, note
  FROM unnest(%(alarm_id)s::uuid[], %(kind)s::text[], %(at)s::timestamptz[],
              %(event_at)s::timestamptz[], %(actor)s::text[], %(severity)s::smallint[],
              %(state)s::text[], %(value)s::float8[], %(note)s::text[])
       WITH ORDINALITY
       AS e (alarm_id, kind, at, event_at, actor, severity, state, value, note, place)
 ORDER BY place
RETURNING event_id;

-- name: add_alarm
-- The place of a new alarm is that of its device, gateway or space as registered now.
INSERT INTO alarm (alarm_id, rule_id, rule_version, subject, device_id, gateway_id, space_id, field,
                   quantity, severity, peak_severity, state, latch, value, threshold, raised_at,
                   detected_at, returned_at, acknowledged_at, acknowledged_by, closed_at, closed_by,
                   close_cause, occurrences, last_event_id)
SELECT %(alarm_id)s, %(rule_id)s, %(rule_version)s, %(subject)s, d.device_id,
       coalesce(d.gateway_id, g.gateway_id), coalesce(d.space_id, g.space_id, s.space_id), %(field)s,
       %(quantity)s, %(severity)s, %(peak_severity)s, %(state)s, %(latch)s, %(value)s,
       %(threshold)s, %(raised_at)s, %(detected_at)s, %(returned_at)s, %(acknowledged_at)s,
       %(acknowledged_by)s, %(closed_at)s, %(closed_by)s, %(close_cause)s, %(occurrences)s,
       %(last_event_id)s
  FROM (VALUES (split_part(%(subject)s, ':', 1), substr(%(subject)s, strpos(%(subject)s, ':') + 1)))
       AS w (kind, id)
  LEFT JOIN device d ON w.kind = 'device' AND d.device_id = w.id
  LEFT JOIN gateway g ON w.kind = 'gateway' AND g.gateway_id = w.id
  LEFT JOIN space s ON w.kind = 'space' AND s.code = w.id AND s.valid_to IS NULL;

-- name: change_alarm
UPDATE alarm
   SET severity = %(severity)s, peak_severity = %(peak_severity)s, state = %(state)s,
       value = %(value)s, threshold = %(threshold)s, returned_at = %(returned_at)s,
       acknowledged_at = %(acknowledged_at)s, acknowledged_by = %(acknowledged_by)s,
       closed_at = %(closed_at)s, closed_by = %(closed_by)s, close_cause = %(close_cause)s,
       occurrences = %(occurrences)s, last_event_id = %(last_event_id)s
 WHERE alarm_id = %(alarm_id)s;

-- name: announce
SELECT pg_notify('blocktwin_alarm', %(event)s::text);

-- name: open_conditions
SELECT rule_id, subject, severity, returned_at IS NOT NULL FROM alarm WHERE closed_at IS NULL;
