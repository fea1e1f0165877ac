-- What the desk reads and writes.

-- name: lock
-- One desk at a time; the lock ends with the session.
SELECT pg_try_advisory_lock(hashtextextended('blocktwin.desk', 0));

-- name: mark
SELECT looked, judged FROM desk_mark;

-- name: begin
-- The desk begins with what comes after its first start.
INSERT INTO desk_mark (looked, judged)
SELECT coalesce(max(event_id), 0), coalesce(max(event_id), 0) FROM alarm_event
ON CONFLICT DO NOTHING;

-- name: move
UPDATE desk_mark SET looked = %(looked)s, judged = %(judged)s;

-- name: fresh
-- New events in the order of their numbers, which is that of commits.
SELECT event_id, alarm_id, kind, at FROM alarm_event
 WHERE event_id > %(after)s ORDER BY event_id LIMIT %(batch)s;

-- name: unjudged
-- Events up to a number that have no verdict.
SELECT e.event_id, e.alarm_id, a.rule_id, a.subject, e.kind, e.actor, e.at, e.severity, e.state,
       e.hidden
  FROM alarm_event e JOIN alarm a USING (alarm_id) LEFT JOIN desk_verdict v USING (event_id)
 WHERE e.event_id > %(after)s AND e.event_id <= %(upto)s AND v.event_id IS NULL
 ORDER BY e.event_id;

-- name: due
-- Held events to be looked at again.
SELECT e.event_id, e.alarm_id, a.rule_id, a.subject, e.kind, e.actor, e.at, e.severity, e.state,
       e.hidden, v.verdict
  FROM desk_verdict v JOIN alarm_event e USING (event_id) JOIN alarm a USING (alarm_id)
 WHERE v.recheck_at <= %(now)s ORDER BY v.recheck_at LIMIT %(batch)s;

-- name: next_recheck
SELECT min(recheck_at) FROM desk_verdict WHERE recheck_at IS NOT NULL;

-- name: history
-- The later events of some (rule, subject), oldest first, of alarms that are open or were closed since:
-- the last thousand of each, and what was told among the last ten thousand. Once a second is 3,600 an
-- hour, and what was told in that hour must not be forgotten over it.
SELECT e.event_id, e.alarm_id, a.rule_id, a.subject, e.kind, e.actor, e.at, e.severity, e.state,
       e.hidden, e.verdict
  FROM (SELECT DISTINCT r, s FROM unnest(%(rules)s::text[], %(subjects)s::text[]) AS w (r, s)) w
  JOIN alarm a ON a.rule_id = w.r AND a.subject = w.s
   AND (a.closed_at IS NULL OR a.closed_at >= %(since)s)
 CROSS JOIN LATERAL (SELECT x.*, v.verdict, row_number() OVER (ORDER BY x.event_id DESC) AS back
                       FROM (SELECT * FROM alarm_event z WHERE z.alarm_id = a.alarm_id
                              ORDER BY z.event_id DESC LIMIT 10000) x
                       LEFT JOIN desk_verdict v ON v.event_id = x.event_id) e
 WHERE e.back <= 1000 OR e.verdict IS DISTINCT FROM 'hold'
 ORDER BY e.event_id;

-- name: standing
-- Some alarms as they stand.
SELECT a.alarm_id, a.rule_id, r.body ->> 'type' AS rule_type,
       coalesce(r.body #>> '{name,zh}', a.rule_id) AS name_zh,
       coalesce(r.body #>> '{name,en}', a.rule_id) AS name_en,
       a.subject, a.field, a.quantity, a.device_id, a.gateway_id, a.space_id,
       coalesce(d.lon, g.lon) AS lon, coalesce(d.lat, g.lat) AS lat,
       a.severity, a.peak_severity AS peak, a.state, a.life_safety, a.advisory, a.raised_at,
       a.detected_at AS seen_at, a.returned_at IS NULL AND a.closed_at IS NULL AS active,
       a.closed_at IS NULL AS open, a.hidden, a.hidden_by, i.incident_id
  FROM alarm a
  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
  LEFT JOIN device d ON d.device_id = a.device_id
  LEFT JOIN gateway g ON g.gateway_id = a.gateway_id
  LEFT JOIN incident_alarm i ON i.alarm_id = a.alarm_id
 WHERE a.alarm_id = ANY(%(alarms)s)
 ORDER BY a.alarm_id;

-- name: open_on
SELECT alarm_id FROM alarm WHERE closed_at IS NULL AND subject = ANY(%(subjects)s);

-- name: suspects
-- Visible alarms whose condition goes on and that something may explain, the newest first.
SELECT a.alarm_id
  FROM alarm a JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
 WHERE a.closed_at IS NULL AND a.returned_at IS NULL AND a.hidden IS NULL AND NOT a.life_safety
   AND (r.body ->> 'type' = ANY(%(types)s)
        OR (a.quantity = 'voltage' AND r.body ->> 'type' = 'low')
        OR a.rule_id = ANY(%(consequences)s))
 ORDER BY a.raised_at DESC LIMIT %(most)s;

-- name: members
-- The alarms of some incidents, and our clock when each last began or became worse.
SELECT i.incident_id, i.alarm_id, coalesce(e.at, a.detected_at) AS at
  FROM incident_alarm i
  JOIN alarm a USING (alarm_id)
  LEFT JOIN LATERAL (SELECT x.at FROM alarm_event x
                      WHERE x.alarm_id = i.alarm_id AND x.kind IN ('raised', 'escalated')
                      ORDER BY x.event_id DESC LIMIT 1) e ON true
 WHERE i.incident_id = ANY(%(incidents)s);

-- name: lineages
-- The way from the district to each of some spaces, outermost first.
WITH RECURSIVE up AS (
    SELECT space_id AS start, space_id, code, kind, parent_id, 0 AS steps
      FROM space WHERE space_id = ANY(%(spaces)s)
    UNION ALL
    SELECT up.start, s.space_id, s.code, s.kind, s.parent_id, up.steps + 1
      FROM up JOIN space s ON s.space_id = up.parent_id
     WHERE up.steps < 32
)
SELECT start, array_agg(code ORDER BY steps DESC), array_agg(kind ORDER BY steps DESC)
  FROM up GROUP BY start;

-- name: above
-- What some subjects depend on in the networks in force, where an open alarm stands on it.
WITH RECURSIVE above AS (
    SELECT r.downstream AS child, r.upstream AS ref, s.kind, 1 AS steps
      FROM relation r JOIN relation_set s USING (set_id)
     WHERE r.downstream = ANY(%(refs)s) AND s.kind = ANY(%(kinds)s) AND s.valid_to IS NULL
    UNION
    SELECT a.child, r.upstream, a.kind, a.steps + 1
      FROM above a
      JOIN relation r ON r.downstream = a.ref
      JOIN relation_set s ON s.set_id = r.set_id AND s.kind = a.kind AND s.valid_to IS NULL
     WHERE a.steps < %(steps)s
)
SELECT child, ref, kind, min(steps) AS steps
  FROM above
 WHERE ref IN (SELECT subject FROM alarm WHERE closed_at IS NULL)
 GROUP BY child, ref, kind;

-- name: feeds
-- Whether one of some subjects has anything below it in the networks in force.
SELECT EXISTS (
    SELECT FROM relation r JOIN relation_set s USING (set_id)
     WHERE r.upstream = ANY(%(subjects)s) AND s.kind = ANY(%(kinds)s) AND s.valid_to IS NULL);

-- name: orphans
-- What is hidden by an alarm that is over for long enough, or has become worse than one of its field.
-- When that was over is said by our clock: the clock of a device that returns may be far off.
SELECT c.alarm_id
  FROM (SELECT *, CASE WHEN hidden_by ~* '^alarm:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                       THEN substr(hidden_by, 7)::uuid END AS cause
          FROM alarm WHERE closed_at IS NULL AND hidden = 'suppressed') c
  LEFT JOIN alarm p ON p.alarm_id = c.cause
 WHERE c.cause IS NOT NULL
   AND (p.alarm_id IS NULL
        OR (c.field = p.field AND c.field <> 'system' AND c.severity > p.severity)
        OR coalesce(p.closed_at, p.returned_at) IS NOT NULL
           AND coalesce(least(p.closed_at, CASE WHEN p.returned_at IS NOT NULL THEN (
                   SELECT max(e.at) FROM alarm_event e
                    WHERE e.alarm_id = p.alarm_id AND e.kind = 'returned') END),
               p.returned_at) <= %(before)s)
 ORDER BY c.alarm_id LIMIT %(batch)s;

-- name: shown_by_hand
-- Those of some alarms that a person has shown again since their condition last began.
SELECT DISTINCT e.alarm_id FROM alarm_event e
 WHERE e.alarm_id = ANY(%(alarms)s) AND e.kind = 'unsuppressed' AND e.actor <> %(desk)s
   AND NOT EXISTS (SELECT FROM alarm_event x
                    WHERE x.alarm_id = e.alarm_id AND x.event_id > e.event_id
                      AND x.kind = 'raised');

-- name: verdicts
INSERT INTO desk_verdict (event_id, verdict, reason, recheck_at, decided_at)
SELECT event_id, verdict, reason, recheck_at, %(now)s
  FROM unnest(%(event_id)s::bigint[], %(verdict)s::text[], %(reason)s::text[],
              %(recheck_at)s::timestamptz[]) AS v (event_id, verdict, reason, recheck_at)
ON CONFLICT (event_id) DO UPDATE
   SET verdict = excluded.verdict, recheck_at = excluded.recheck_at,
       decided_at = excluded.decided_at,
       reason = CASE WHEN excluded.verdict = 'hold' AND excluded.reason = '' THEN desk_verdict.reason
                     ELSE excluded.reason END;

-- name: announce
SELECT pg_notify('blocktwin_desk', %(event)s::text);

-- name: recent_incidents
SELECT incident_id, state, severity, field, fields, space, block, lon, lat, title_zh, title_en,
       opened_at, last_at, closed_at, alarms
  FROM incident WHERE last_at >= %(since)s ORDER BY last_at DESC LIMIT %(most)s;

-- name: incidents
SELECT incident_id, state, severity, field, fields, space, block, lon, lat, title_zh, title_en,
       opened_at, last_at, closed_at, alarms
  FROM incident WHERE incident_id = ANY(%(incidents)s);

-- name: put_incident
INSERT INTO incident (incident_id, state, severity, field, fields, space, block, lon, lat, title_zh,
                      title_en, opened_at, last_at, closed_at, alarms)
VALUES (%(incident_id)s, %(state)s, %(severity)s, %(field)s, %(fields)s, %(space)s, %(block)s,
        %(lon)s, %(lat)s, %(title_zh)s, %(title_en)s, %(opened_at)s, %(last_at)s, %(closed_at)s,
        %(alarms)s)
ON CONFLICT (incident_id) DO UPDATE
   SET state = excluded.state, severity = excluded.severity, field = excluded.field,
       fields = excluded.fields, space = excluded.space, lon = excluded.lon, lat = excluded.lat,
       title_zh = excluded.title_zh, title_en = excluded.title_en, last_at = excluded.last_at,
       closed_at = excluded.closed_at, alarms = excluded.alarms;

-- name: put_members
INSERT INTO incident_alarm (alarm_id, incident_id, joined_at)
SELECT alarm_id, incident_id, %(now)s
  FROM unnest(%(alarms)s::uuid[], %(incidents)s::uuid[]) AS m (alarm_id, incident_id)
ON CONFLICT (alarm_id) DO UPDATE
   SET incident_id = excluded.incident_id, joined_at = excluded.joined_at;

-- name: drop_empty
DELETE FROM incident i WHERE incident_id = ANY(%(incidents)s)
   AND NOT EXISTS (SELECT FROM incident_alarm m WHERE m.incident_id = i.incident_id);

-- name: said_in_incidents
-- The worst that has been told lately of each alarm of some incidents.
SELECT i.incident_id, a.field, a.gateway_id, a.space_id, i.alarm_id, max(e.severity)
  FROM incident_alarm i
  JOIN alarm a USING (alarm_id)
  JOIN alarm_event e USING (alarm_id)
  JOIN desk_verdict v USING (event_id)
 WHERE i.incident_id = ANY(%(incidents)s) AND v.verdict = 'tell' AND e.at >= %(since)s
   AND e.kind IN ('raised', 'escalated', 'unsuppressed', 'unshelved', 'in_service')
 GROUP BY 1, 2, 3, 4, 5;

-- name: place_names
SELECT DISTINCT ON (code) code, name, name_en FROM space
 WHERE code = ANY(%(codes)s) ORDER BY code, valid_to DESC NULLS FIRST;
