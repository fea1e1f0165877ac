-- Incidents as people ask for them.

-- name: incidents
-- Newest first. A space means that an alarm is in it or in what lies or lay in it; a field, that an
-- alarm is of it. The page is cut out before its alarms are counted.
WITH RECURSIVE inside AS (
    SELECT space_id, code FROM space WHERE code = %(space)s
    UNION
    SELECT child.space_id, child.code
      FROM space child JOIN inside ON child.parent_id = inside.space_id
), page AS MATERIALIZED (
    SELECT *
      FROM incident i
     WHERE (%(incident)s::uuid IS NULL OR i.incident_id = %(incident)s)
       AND (%(state)s::text IS NULL OR i.state = %(state)s)
       AND (%(field)s::text IS NULL OR %(field)s = ANY(i.fields))
       AND (%(space)s::text IS NULL OR i.space IN (SELECT code FROM inside)
            OR EXISTS (SELECT FROM incident_alarm m JOIN alarm a USING (alarm_id)
                        WHERE m.incident_id = i.incident_id
                          AND a.space_id IN (SELECT space_id FROM inside)))
       AND i.alarms >= %(least)s
       AND (%(after_at)s::timestamptz IS NULL
            OR (i.opened_at <= %(after_at)s
                AND (i.opened_at < %(after_at)s OR i.incident_id > %(after_id)s::uuid)))
     ORDER BY i.opened_at DESC, i.incident_id
     LIMIT %(limit)s
)
SELECT i.incident_id::text, i.state, i.severity, i.field, i.fields, i.space,
       json_build_object('zh', i.title_zh, 'en', i.title_en) AS title,
       i.opened_at, i.last_at, i.closed_at, i.alarms, n.unacknowledged, i.lon, i.lat
  FROM page i
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE a.hidden IS NULL AND a.state IN (
                  'unacknowledged', 'returned_unacknowledged')) AS unacknowledged
         FROM incident_alarm m JOIN alarm a USING (alarm_id)
        WHERE m.incident_id = i.incident_id) n
 ORDER BY i.opened_at DESC, i.incident_id;

-- name: members
-- The alarms of an incident, visible and worst first.
SELECT m.alarm_id::text
  FROM incident_alarm m JOIN alarm a USING (alarm_id)
 WHERE m.incident_id = %(incident)s
 ORDER BY a.hidden IS NOT NULL, a.closed_at IS NOT NULL, a.severity DESC, a.raised_at, a.alarm_id
 LIMIT %(limit)s;

-- name: member_rows
-- The same with what a line about each needs.
SELECT m.alarm_id::text, a.rule_id, coalesce(r.body -> 'name', 'null') AS name, a.subject, a.field,
       a.severity, a.peak_severity, a.state, a.hidden, a.hidden_why, a.raised_at, a.returned_at,
       a.closed_at, a.occurrences
  FROM incident_alarm m
  JOIN alarm a USING (alarm_id)
  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version
 WHERE m.incident_id = %(incident)s
 ORDER BY a.hidden IS NOT NULL, a.closed_at IS NOT NULL, a.severity DESC, a.raised_at, a.alarm_id
 LIMIT %(limit)s;

-- name: unacknowledged
-- The visible alarms of an incident that nobody has taken up.
SELECT m.alarm_id::text
  FROM incident_alarm m JOIN alarm a USING (alarm_id)
 WHERE m.incident_id = %(incident)s AND a.hidden IS NULL
   AND a.state IN ('unacknowledged', 'returned_unacknowledged')
 ORDER BY a.severity DESC, a.raised_at, a.alarm_id
 LIMIT %(limit)s;
