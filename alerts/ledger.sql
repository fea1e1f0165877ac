-- name: lock_events
-- Held to the end of the transaction by everybody who writes alarm events: it makes the order of
-- event numbers the order of commits, and one alarm the business of one writer at a time.
SELECT pg_advisory_xact_lock(hashtextextended('blocktwin.alarm_event', 0));

-- name: open_alarms
-- The open alarm, if any, of each of some (rule, subject).
SELECT a.alarm_id, a.rule_id, a.rule_version, a.subject, a.severity, a.peak_severity, a.state,
       a.latch, a.value, a.threshold, a.raised_at, a.detected_at, a.asked_at, a.returned_at,
       a.acknowledged_at, a.acknowledged_by, a.closed_at, a.closed_by, a.close_cause, a.occurrences,
       a.assigned_to, a.hidden, a.hidden_until, a.hidden_by, a.hidden_why, a.life_safety,
       a.advisory, a.said, a.ack_within_s, a.re_alarm_s, a.overdue_at
  FROM alarm a
  JOIN (SELECT DISTINCT r, s FROM unnest(%(rules)s::text[], %(subjects)s::text[]) AS w (r, s)) w
    ON a.rule_id = w.r AND a.subject = w.s
 WHERE a.closed_at IS NULL;

-- name: alarms_by_id
SELECT a.alarm_id, a.rule_id, a.rule_version, a.subject, a.severity, a.peak_severity, a.state,
       a.latch, a.value, a.threshold, a.raised_at, a.detected_at, a.asked_at, a.returned_at,
       a.acknowledged_at, a.acknowledged_by, a.closed_at, a.closed_by, a.close_cause, a.occurrences,
       a.assigned_to, a.hidden, a.hidden_until, a.hidden_by, a.hidden_why, a.life_safety,
       a.advisory, a.said, a.ack_within_s, a.re_alarm_s, a.overdue_at
  FROM alarm a WHERE a.alarm_id = ANY(%(alarms)s);

-- name: alarms_due
-- Alarms to which time has something to do, the longest waiting first.
SELECT a.alarm_id, a.rule_id, a.rule_version, a.subject, a.severity, a.peak_severity, a.state,
       a.latch, a.value, a.threshold, a.raised_at, a.detected_at, a.asked_at, a.returned_at,
       a.acknowledged_at, a.acknowledged_by, a.closed_at, a.closed_by, a.close_cause, a.occurrences,
       a.assigned_to, a.hidden, a.hidden_until, a.hidden_by, a.hidden_why, a.life_safety,
       a.advisory, a.said, a.ack_within_s, a.re_alarm_s, a.overdue_at
  FROM alarm a WHERE a.due_at <= %(now)s ORDER BY a.due_at LIMIT %(limit)s;

-- name: anything_due
SELECT EXISTS (SELECT FROM alarm WHERE due_at <= %(now)s);

-- name: known_alarms
SELECT alarm_id FROM alarm WHERE alarm_id = ANY(%(alarms)s);

-- name: known_events
-- What the engine has said before.
SELECT event_key, severity FROM alarm_event WHERE event_key = ANY(%(keys)s);

-- name: terms
-- What alarms take over from the rules that open them.
SELECT rule_id, version, coalesce((body ->> 'advisory')::boolean, false) AS advisory,
       (body ->> 'ack_within_s')::float8 AS ack_within_s,
       (body ->> 're_alarm_s')::float8 AS re_alarm_s
  FROM rule
  JOIN (SELECT DISTINCT r, v FROM unnest(%(rules)s::text[], %(versions)s::int[]) AS w (r, v)) w
    ON rule_id = w.r AND version = w.v;

-- name: add_events
-- Numbers are drawn in the order of the given rows.
INSERT INTO alarm_event (alarm_id, kind, at, event_at, actor, severity, state, value, note, hidden,
                         about, event_key)
SELECT alarm_id, kind, at, event_at, actor, severity, state, value, note, hidden, about,
       coalesce(key, gen_random_uuid())
  FROM unnest(%(alarm_id)s::uuid[], %(kind)s::text[], %(at)s::timestamptz[],
              %(event_at)s::timestamptz[], %(actor)s::text[], %(severity)s::smallint[],
              %(state)s::text[], %(value)s::float8[], %(note)s::text[], %(hidden)s::text[],
              %(about)s::text[], %(key)s::uuid[])
       WITH ORDINALITY
       AS e (alarm_id, kind, at, event_at, actor, severity, state, value, note, hidden, about, key,
             place)
 ORDER BY place
RETURNING event_id;

-- name: add_alarms
-- The place of a new alarm is that of its device, gateway or space as registered now.
INSERT INTO alarm (
       alarm_id, rule_id, rule_version, subject, device_id, gateway_id, space_id, field, quantity,
       severity, peak_severity, state, latch, value, threshold, raised_at, detected_at, asked_at,
       returned_at, acknowledged_at, acknowledged_by, closed_at, closed_by, close_cause,
       occurrences, assigned_to, hidden, hidden_until, hidden_by, hidden_why, life_safety,
       advisory, said, ack_within_s, re_alarm_s, overdue_at, due_at, last_event_id)
SELECT w.alarm_id, w.rule_id, w.rule_version, w.subject, d.device_id,
       coalesce(d.gateway_id, g.gateway_id), coalesce(d.space_id, g.space_id, s.space_id), w.field,
       w.quantity, w.severity, w.peak_severity, w.state, w.latch, w.value, w.threshold,
       w.raised_at, w.detected_at, w.asked_at, w.returned_at, w.acknowledged_at, w.acknowledged_by,
       w.closed_at, w.closed_by, w.close_cause, w.occurrences, w.assigned_to, w.hidden,
       w.hidden_until, w.hidden_by, w.hidden_why, w.life_safety, w.advisory, w.said,
       w.ack_within_s, w.re_alarm_s, w.overdue_at, w.due_at, w.last_event_id
  FROM unnest(
       %(alarm_id)s::uuid[], %(rule_id)s::text[], %(rule_version)s::int[], %(subject)s::text[],
       %(field)s::text[], %(quantity)s::text[], %(severity)s::smallint[],
       %(peak_severity)s::smallint[], %(state)s::text[], %(latch)s::boolean[], %(value)s::float8[],
       %(threshold)s::float8[], %(raised_at)s::timestamptz[], %(detected_at)s::timestamptz[],
       %(asked_at)s::timestamptz[], %(returned_at)s::timestamptz[],
       %(acknowledged_at)s::timestamptz[], %(acknowledged_by)s::text[],
       %(closed_at)s::timestamptz[], %(closed_by)s::text[], %(close_cause)s::text[],
       %(occurrences)s::int[], %(assigned_to)s::text[], %(hidden)s::text[],
       %(hidden_until)s::timestamptz[], %(hidden_by)s::text[], %(hidden_why)s::text[],
       %(life_safety)s::boolean[], %(advisory)s::boolean[], %(said)s::jsonb[],
       %(ack_within_s)s::float8[], %(re_alarm_s)s::float8[], %(overdue_at)s::timestamptz[],
       %(due_at)s::timestamptz[], %(last_event_id)s::bigint[])
       AS w (
       alarm_id, rule_id, rule_version, subject, field, quantity, severity, peak_severity, state,
       latch, value, threshold, raised_at, detected_at, asked_at, returned_at, acknowledged_at,
       acknowledged_by, closed_at, closed_by, close_cause, occurrences, assigned_to, hidden,
       hidden_until, hidden_by, hidden_why, life_safety, advisory, said, ack_within_s, re_alarm_s,
       overdue_at, due_at, last_event_id)
 CROSS JOIN LATERAL (SELECT split_part(w.subject, ':', 1) AS kind,
                            substr(w.subject, strpos(w.subject, ':') + 1) AS id) k
  LEFT JOIN device d ON k.kind = 'device' AND d.device_id = k.id
  LEFT JOIN gateway g ON k.kind = 'gateway' AND g.gateway_id = k.id
  LEFT JOIN space s ON k.kind = 'space' AND s.code = k.id AND s.valid_to IS NULL;

-- name: change_alarms
UPDATE alarm a
   SET severity = w.severity, peak_severity = w.peak_severity, state = w.state, value = w.value,
       threshold = w.threshold, asked_at = w.asked_at, returned_at = w.returned_at,
       acknowledged_at = w.acknowledged_at, acknowledged_by = w.acknowledged_by,
       closed_at = w.closed_at, closed_by = w.closed_by, close_cause = w.close_cause,
       occurrences = w.occurrences, assigned_to = w.assigned_to, hidden = w.hidden,
       hidden_until = w.hidden_until, hidden_by = w.hidden_by, hidden_why = w.hidden_why,
       said = w.said, overdue_at = w.overdue_at, due_at = w.due_at, last_event_id = w.last_event_id
  FROM unnest(
       %(alarm_id)s::uuid[], %(severity)s::smallint[], %(peak_severity)s::smallint[],
       %(state)s::text[], %(value)s::float8[], %(threshold)s::float8[],
       %(asked_at)s::timestamptz[], %(returned_at)s::timestamptz[],
       %(acknowledged_at)s::timestamptz[], %(acknowledged_by)s::text[],
       %(closed_at)s::timestamptz[], %(closed_by)s::text[], %(close_cause)s::text[],
       %(occurrences)s::int[], %(assigned_to)s::text[], %(hidden)s::text[],
       %(hidden_until)s::timestamptz[], %(hidden_by)s::text[], %(hidden_why)s::text[],
       %(said)s::jsonb[], %(overdue_at)s::timestamptz[], %(due_at)s::timestamptz[],
       %(last_event_id)s::bigint[])
       AS w (
       alarm_id, severity, peak_severity, state, value, threshold, asked_at, returned_at,
       acknowledged_at, acknowledged_by, closed_at, closed_by, close_cause, occurrences,
       assigned_to, hidden, hidden_until, hidden_by, hidden_why, said, overdue_at, due_at,
       last_event_id)
 WHERE a.alarm_id = w.alarm_id;

-- name: note_occurrences
-- A later event of an occurrence says whether it has ended, and may say that it was worse.
INSERT INTO alarm_occurrence AS o (alarm_id, number, onset_at, detected_at, returned_at, severity,
                                   value, threshold)
SELECT alarm_id, number, onset_at, detected_at, returned_at, severity, value, threshold
  FROM unnest(%(alarm_id)s::uuid[], %(number)s::int[], %(onset_at)s::timestamptz[],
              %(detected_at)s::timestamptz[], %(returned_at)s::timestamptz[],
              %(severity)s::smallint[], %(value)s::float8[], %(threshold)s::float8[])
       AS w (alarm_id, number, onset_at, detected_at, returned_at, severity, value, threshold)
    ON CONFLICT (alarm_id, number) DO UPDATE
   SET returned_at = excluded.returned_at,
       severity = greatest(o.severity, excluded.severity),
       value = CASE WHEN excluded.severity > o.severity THEN excluded.value ELSE o.value END,
       threshold = CASE WHEN excluded.severity > o.severity
                        THEN excluded.threshold ELSE o.threshold END;

-- name: announce
SELECT pg_notify('blocktwin_alarm', %(event)s::text);
