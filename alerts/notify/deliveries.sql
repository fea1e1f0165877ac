-- name: alarm
SELECT 1 FROM alarm WHERE alarm_id = %(alarm)s;

-- name: deliveries
-- What became of every delivery of an alarm's events, in order; a digest's proof is that of what it
-- stands for.
SELECT n.channel, n.event_id, e.kind, e.event_key::text AS event_key, n.recipient, n.step, n.called,
       n.attempts, n.early, coalesce(n.delivered_at, g.delivered_at) AS delivered_at,
       coalesce(n.given_up_at, g.given_up_at) AS given_up_at, n.withheld_at, n.withheld_why,
       n.folded_at, n.digest_id, n.last_error, n.next_at
  FROM notify_delivery n JOIN alarm_event e USING (event_id)
  LEFT JOIN notify_digest g USING (digest_id)
 WHERE e.alarm_id = %(alarm)s
 ORDER BY n.event_id, n.step, n.channel, n.recipient LIMIT %(limit)s;
