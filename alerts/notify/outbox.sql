-- name: lock_channel
-- One notifier at a time serves a channel; the lock ends with the session.
SELECT pg_try_advisory_lock(hashtextextended('blocktwin.notify.' || %(channel)s, 0));

-- name: open_channel
-- A channel begins with what comes after it was first configured.
INSERT INTO notify_channel (channel, last_event_id)
SELECT %(channel)s, coalesce(max(event_id), 0) FROM alarm_event
ON CONFLICT (channel) DO NOTHING;

-- name: mark
SELECT last_event_id FROM notify_channel WHERE channel = %(channel)s FOR UPDATE;

-- name: fresh
-- New events, with all that decides who is told. Events become visible in the order of their
-- numbers, so none can appear before the mark later. path: codes of the holding spaces, district first.
SELECT e.event_id, e.kind, e.event_at AS at, a.field, a.peak_severity AS severity, a.rule_id,
       a.life_safety, a.advisory, a.hidden, coalesce((
           WITH RECURSIVE up AS (
               SELECT s.code, s.parent_id, 1 AS depth FROM space s WHERE s.space_id = a.space_id
               UNION ALL
               SELECT s.code, s.parent_id, up.depth + 1
                 FROM space s JOIN up ON s.space_id = up.parent_id WHERE up.depth < 20
           )
           SELECT array_agg(code ORDER BY depth DESC) FROM up), '{}') AS path
  FROM alarm_event e JOIN alarm a USING (alarm_id)
 WHERE e.event_id > %(mark)s
 ORDER BY e.event_id LIMIT %(batch)s;

-- name: add
INSERT INTO notify_delivery (channel, event_id, recipient, step, called, urgent, next_at)
SELECT %(channel)s, event, recipient, 0, called, urgent,
       now() + make_interval(secs => CASE WHEN urgent THEN 0 ELSE %(settle_s)s END)
  FROM unnest(%(events)s::bigint[], %(recipients)s::text[], %(called)s::jsonb[], %(urgent)s::bool[])
       AS t (event, recipient, called, urgent)
ON CONFLICT DO NOTHING;

-- name: pass_mark
UPDATE notify_channel SET last_event_id = %(event)s WHERE channel = %(channel)s;

-- name: due
-- Deliveries whose time has come, life safety first, then the oldest event, each with what its alarm
-- is about. What waits for the desk is due with its verdict, or when the wait is over; a verdict to
-- hold that the desk will look at again keeps it waiting. forsaken: the desk has not looked again.
SELECT n.recipient, n.step, n.called, n.urgent, v.verdict, v.reason AS verdict_reason, v.recheck_at,
       coalesce(v.recheck_at <= now() - make_interval(secs => %(patience_s)s), false) AS forsaken,
       e.event_id, e.event_key, e.kind, e.at, e.event_at, e.actor, e.severity, e.state, e.value, e.note,
       a.state AS alarm_state, a.hidden,
       a.alarm_id, a.rule_id, a.rule_version, r.body -> 'name' AS name, r.body -> 'advice' AS advice,
       r.body ->> 'type' AS rule_type, r.body ->> 'forecast' AS forecast, a.field, a.subject, a.device_id, d.name AS device_name, d.address, a.gateway_id,
       s.code AS space, s.name AS space_name, coalesce(d.lon, g.lon) AS lon,
       coalesce(d.lat, g.lat) AS lat, a.quantity, a.threshold, a.said, a.life_safety, a.advisory,
       a.raised_at, a.occurrences
  FROM notify_delivery n
  JOIN alarm_event e USING (event_id)
  JOIN alarm a USING (alarm_id)
  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
  LEFT JOIN desk_verdict v USING (event_id)
  LEFT JOIN device d ON d.device_id = a.device_id
  LEFT JOIN gateway g ON g.gateway_id = a.gateway_id
  LEFT JOIN space s ON s.space_id = a.space_id
 WHERE n.channel = %(channel)s AND n.delivered_at IS NULL AND n.given_up_at IS NULL
   AND n.withheld_at IS NULL AND n.folded_at IS NULL
   AND (n.next_at <= now() OR (n.attempts = 0 AND v.verdict IS NOT NULL))
   AND NOT (%(heeds)s AND NOT n.urgent AND n.step = 0 AND v.verdict IS NOT DISTINCT FROM 'hold'
            AND coalesce(v.recheck_at > now() - make_interval(secs => %(patience_s)s), false))
 ORDER BY n.urgent DESC, n.event_id, n.step, n.recipient LIMIT %(batch)s;

-- name: lately
-- How many messages that count against the cap the receiver had within the window.
SELECT (SELECT count(*) FROM notify_delivery
         WHERE channel = %(channel)s AND recipient = %(recipient)s AND NOT urgent
           AND delivered_at > now() - make_interval(secs => %(window_s)s));

-- name: delivered
UPDATE notify_delivery
   SET attempts = attempts + 1, delivered_at = now(), last_error = '', early = %(early)s
 WHERE channel = %(channel)s AND event_id = %(event)s AND recipient = %(recipient)s
   AND step = %(step)s;

-- name: failed
-- The wait doubles with each attempt, up to a bound; after the last attempt it is given up.
UPDATE notify_delivery
   SET attempts = attempts + 1, last_error = %(error)s,
       next_at = now() + make_interval(
           secs => least(%(first_s)s * 2.0 ^ least(attempts, 30), %(most_s)s)
                   * (0.8 + 0.4 * random())),
       given_up_at = CASE WHEN attempts + 1 >= %(attempts)s THEN now() END
 WHERE channel = %(channel)s AND event_id = %(event)s AND recipient = %(recipient)s
   AND step = %(step)s
RETURNING given_up_at IS NOT NULL;

-- name: withhold
UPDATE notify_delivery SET withheld_at = now(), withheld_why = %(why)s
 WHERE channel = %(channel)s AND event_id = %(event)s AND recipient = %(recipient)s
   AND step = %(step)s;

-- name: fold
UPDATE notify_delivery SET folded_at = now(), withheld_why = %(why)s
 WHERE channel = %(channel)s AND event_id = %(event)s AND recipient = %(recipient)s
   AND step = %(step)s;

-- name: postpone
-- Somebody is telling it at this moment, before it was stored.
UPDATE notify_delivery SET next_at = now() + make_interval(secs => 0.5)
 WHERE channel = %(channel)s AND event_id = %(event)s AND recipient = %(recipient)s
   AND step = %(step)s;

-- name: waiting
-- How many deliveries are open, and in how many seconds there is something to do: a delivery is due, or
-- the desk may have said something. What the desk holds and will look at again is announced by it.
SELECT count(*),
       (min(least(greatest(extract(epoch FROM n.next_at - now()), 0),
                  CASE WHEN n.attempts = 0 AND NOT n.urgent AND n.step = 0 THEN 1 END))
           FILTER (WHERE NOT (%(heeds)s AND NOT n.urgent AND n.step = 0
                              AND v.verdict IS NOT DISTINCT FROM 'hold'
                              AND v.recheck_at IS NOT NULL)))::float8
  FROM notify_delivery n LEFT JOIN desk_verdict v USING (event_id)
 WHERE n.channel = %(channel)s AND n.delivered_at IS NULL AND n.given_up_at IS NULL
   AND n.withheld_at IS NULL AND n.folded_at IS NULL;
