-- name: lock
SELECT pg_try_advisory_lock(hashtextextended('blocktwin.escalation', 0));

-- name: due
-- Alarms that wait for an acknowledgement and whose next call is due, the longest waiting first, each
-- with its last call. The first one waits for the desk, but for life safety, and is not made while the
-- desk holds all of it back and looks again in time. event_id: the first call tells what began it, later ones the newest.
SELECT a.alarm_id, a.field, a.peak_severity AS severity, a.life_safety, a.asked_at,
       coalesce(a.ack_within_s, %(ack_within_s)s)::float8 AS ack_within_s,
       coalesce(last.step, 0) AS step, last.level,
       coalesce((
           WITH RECURSIVE up AS (
               SELECT s.code, s.parent_id, 1 AS depth FROM space s WHERE s.space_id = a.space_id
               UNION ALL
               SELECT s.code, s.parent_id, up.depth + 1
                 FROM space s JOIN up ON s.space_id = up.parent_id WHERE up.depth < 20
           )
           SELECT array_agg(code ORDER BY depth DESC) FROM up), '{}') AS path,
       (SELECT CASE WHEN last.step IS NULL THEN min(e.event_id) ELSE max(e.event_id) END
          FROM alarm_event e
         WHERE e.alarm_id = a.alarm_id AND e.at >= a.asked_at
           AND e.kind IN ('raised', 'escalated', 're_alarmed', 'overdue')) AS event_id
  FROM alarm a
  LEFT JOIN LATERAL (
      SELECT step, level, next_at FROM notify_escalation n
       WHERE n.alarm_id = a.alarm_id AND n.asked_at = a.asked_at ORDER BY step DESC LIMIT 1
  ) last ON true
 WHERE a.closed_at IS NULL AND a.hidden IS NULL AND NOT a.advisory
   AND a.state IN ('unacknowledged', 'returned_unacknowledged')
   AND (a.life_safety OR a.peak_severity >= %(least)s)
   AND a.detected_at > %(now)s - interval '7 days'
   AND CASE
       WHEN last.step IS NOT NULL THEN last.next_at <= %(now)s
       WHEN a.life_safety THEN true
       ELSE coalesce(
           (SELECT bool_or(v.verdict <> 'hold'
                           OR coalesce(v.recheck_at <= %(now)s - make_interval(secs => %(patience_s)s),
                                       false))
              FROM alarm_event e JOIN desk_verdict v USING (event_id)
             WHERE e.alarm_id = a.alarm_id AND e.at >= a.asked_at
               AND e.kind IN ('raised', 'escalated', 're_alarmed', 'overdue')),
           a.asked_at <= %(now)s - make_interval(secs => %(settle_s)s))
       END
 ORDER BY a.life_safety DESC, a.asked_at LIMIT %(batch)s;

-- name: record
INSERT INTO notify_escalation (alarm_id, asked_at, step, at, level, called, note, next_at)
VALUES (%(alarm)s, %(asked_at)s, %(step)s, %(now)s, %(level)s, %(called)s, %(note)s, %(next_at)s)
ON CONFLICT DO NOTHING
RETURNING step;

-- name: add_calls
INSERT INTO notify_delivery (channel, event_id, recipient, step, called, urgent)
SELECT channel, %(event)s, recipient, %(step)s, called, %(urgent)s
  FROM unnest(%(channels)s::text[], %(recipients)s::text[], %(called)s::jsonb[])
       AS t (channel, recipient, called)
ON CONFLICT DO NOTHING;

-- name: channels
SELECT channel FROM notify_channel;

-- name: steps
SELECT asked_at, step, at, level, called, note, next_at
  FROM notify_escalation WHERE alarm_id = %(alarm)s ORDER BY asked_at, step LIMIT 500;
