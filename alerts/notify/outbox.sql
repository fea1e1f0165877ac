-- name: lock_channel
-- One notifier at a time serves a channel; the lock ends with the session.
SELECT pg_try_advisory_lock(hashtextextended('blocktwin.notify.' || %(channel)s, 0));

-- name: open_channel
-- A channel begins with what comes after it was first configured.
INSERT INTO notify_channel (channel, last_event_id)
SELECT %(channel)s, coalesce(max(event_id), 0) FROM alarm_event
ON CONFLICT (channel) DO NOTHING;

-- name: collect
-- Make a delivery of each new event that the channel is told of, and move its mark past all of them.
-- Events become visible in the order of their numbers, so none can appear before the mark later.
WITH mark AS (
    SELECT last_event_id FROM notify_channel WHERE channel = %(channel)s FOR UPDATE
), fresh AS MATERIALIZED (
    SELECT e.event_id, a.field = ANY(%(fields)s) AND a.peak_severity >= %(severity)s AS wanted
      FROM alarm_event e JOIN alarm a USING (alarm_id)
     WHERE e.event_id > (SELECT last_event_id FROM mark)
     ORDER BY e.event_id LIMIT %(batch)s
), made AS (
    INSERT INTO notify_delivery (channel, event_id)
    SELECT %(channel)s, event_id FROM fresh WHERE wanted ORDER BY event_id
    ON CONFLICT DO NOTHING
)
UPDATE notify_channel SET last_event_id = (SELECT max(event_id) FROM fresh)
 WHERE channel = %(channel)s AND EXISTS (SELECT FROM fresh)
RETURNING (SELECT count(*) FROM fresh);

-- name: due
-- Deliveries whose time has come, oldest event first, each with what its alarm is about.
SELECT e.event_id, e.kind, e.at, e.event_at, e.actor, e.severity, e.state, e.value, e.note,
       a.alarm_id, a.rule_id, a.rule_version, r.body -> 'name' AS name, r.body -> 'advice' AS advice,
       r.body ->> 'type' AS rule_type, a.field, a.subject, a.device_id, d.name AS device_name, d.address, a.gateway_id,
       s.code AS space, s.name AS space_name, coalesce(d.lon, g.lon) AS lon,
       coalesce(d.lat, g.lat) AS lat, a.quantity, a.threshold, a.raised_at, a.occurrences
  FROM notify_delivery n
  JOIN alarm_event e USING (event_id)
  JOIN alarm a USING (alarm_id)
  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
  LEFT JOIN device d ON d.device_id = a.device_id
  LEFT JOIN gateway g ON g.gateway_id = a.gateway_id
  LEFT JOIN space s ON s.space_id = a.space_id
 WHERE n.channel = %(channel)s AND n.delivered_at IS NULL AND n.given_up_at IS NULL
   AND n.next_at <= now()
 ORDER BY n.event_id LIMIT %(batch)s;

-- name: delivered
UPDATE notify_delivery SET attempts = attempts + 1, delivered_at = now(), last_error = ''
 WHERE channel = %(channel)s AND event_id = %(event)s;

-- name: failed
-- The wait doubles with each attempt, up to a bound; after the last attempt it is given up.
UPDATE notify_delivery
   SET attempts = attempts + 1, last_error = %(error)s,
       next_at = now() + make_interval(
           secs => least(%(first_s)s * 2.0 ^ least(attempts, 30), %(most_s)s)
                   * (0.8 + 0.4 * random())),
       given_up_at = CASE WHEN attempts + 1 >= %(attempts)s THEN now() END
 WHERE channel = %(channel)s AND event_id = %(event)s
RETURNING given_up_at IS NOT NULL;

-- name: waiting
-- How many deliveries are open, and in how many seconds the next one is due.
SELECT count(*), greatest(extract(epoch FROM min(next_at) - now()), 0)::float8
  FROM notify_delivery
 WHERE channel = %(channel)s AND delivered_at IS NULL AND given_up_at IS NULL;
