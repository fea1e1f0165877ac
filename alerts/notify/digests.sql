-- name: gather
-- Make the digest of each receiver whose time has come: the first a while after what it stands for,
-- the next ones a window apart.
WITH ripe AS (
    SELECT n.recipient, count(*) AS events
      FROM notify_delivery n
     WHERE n.channel = %(channel)s AND n.folded_at IS NOT NULL AND n.digest_id IS NULL
     GROUP BY n.recipient
    HAVING min(n.folded_at) <= now() - make_interval(secs => %(gather_s)s)
       AND NOT EXISTS (
           SELECT FROM notify_digest g
            WHERE g.channel = %(channel)s AND g.recipient = n.recipient
              AND g.made_at > now() - make_interval(secs => %(window_s)s))
     ORDER BY n.recipient LIMIT %(batch)s
), made AS (
    INSERT INTO notify_digest (channel, recipient, events)
    SELECT %(channel)s, recipient, events FROM ripe
    RETURNING digest_id, recipient
)
UPDATE notify_delivery n SET digest_id = made.digest_id
  FROM made
 WHERE n.channel = %(channel)s AND n.recipient = made.recipient AND n.folded_at IS NOT NULL
   AND n.digest_id IS NULL;

-- name: due
SELECT digest_id, recipient, events, made_at
  FROM notify_digest
 WHERE channel = %(channel)s AND delivered_at IS NULL AND given_up_at IS NULL AND next_at <= now()
 ORDER BY digest_id LIMIT %(batch)s;

-- name: counts
-- What a digest stands for, counted.
SELECT a.field, e.severity, e.kind, count(*) AS events, count(DISTINCT a.alarm_id) AS alarms
  FROM notify_delivery n JOIN alarm_event e USING (event_id) JOIN alarm a USING (alarm_id)
 WHERE n.channel = %(channel)s AND n.digest_id = %(digest)s
 GROUP BY a.field, e.severity, e.kind
 ORDER BY e.severity DESC, a.field, e.kind;

-- name: worst
-- The worst events that a digest stands for, the newest of equals first.
SELECT e.event_id, e.event_key, e.kind, e.event_at, e.actor, e.severity, e.value, e.note, a.alarm_id,
       r.body -> 'name' AS name, r.body ->> 'type' AS rule_type, r.body ->> 'forecast' AS forecast, a.field, a.subject,
       d.name AS device_name, a.quantity, a.threshold, a.rule_id
  FROM notify_delivery n JOIN alarm_event e USING (event_id) JOIN alarm a USING (alarm_id)
  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
  LEFT JOIN device d ON d.device_id = a.device_id
 WHERE n.channel = %(channel)s AND n.digest_id = %(digest)s
 ORDER BY e.severity DESC, e.event_id DESC LIMIT %(shown)s;

-- name: delivered
UPDATE notify_digest SET attempts = attempts + 1, delivered_at = now(), last_error = ''
 WHERE digest_id = %(digest)s;

-- name: failed
UPDATE notify_digest
   SET attempts = attempts + 1, last_error = %(error)s,
       next_at = now() + make_interval(
           secs => least(%(first_s)s * 2.0 ^ least(attempts, 30), %(most_s)s)
                   * (0.8 + 0.4 * random())),
       given_up_at = CASE WHEN attempts + 1 >= %(attempts)s THEN now() END
 WHERE digest_id = %(digest)s;

-- name: next
-- In how many seconds a digest is to be made or tried, null if there is nothing to tell.
SELECT least(
    (SELECT min(greatest(extract(epoch FROM next_at - now()), 0)) FROM notify_digest
      WHERE channel = %(channel)s AND delivered_at IS NULL AND given_up_at IS NULL),
    (SELECT min(greatest(
                extract(epoch FROM f.since - now()) + %(gather_s)s,
                coalesce(extract(epoch FROM (
                    SELECT max(g.made_at) FROM notify_digest g
                     WHERE g.channel = %(channel)s AND g.recipient = f.recipient) - now())
                    + %(window_s)s, 0),
                0))
       FROM (SELECT recipient, min(folded_at) AS since FROM notify_delivery
              WHERE channel = %(channel)s AND folded_at IS NOT NULL AND digest_id IS NULL
              GROUP BY recipient) f))::float8;
