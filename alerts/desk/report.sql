-- What the report counts, by our clock. The runtime's test of itself (canary) is no alarm of anybody's.

-- name: slots
-- Beginnings that people were told of, by slot of ten minutes, and those that were held.
SELECT CASE WHEN coalesce(v.verdict, 'tell') <> 'hold' AND NOT a.advisory
            THEN floor(extract(epoch FROM e.at - %(begin)s) / 600)::integer END AS slot,
       count(*)
  FROM alarm_event e JOIN alarm a USING (alarm_id) LEFT JOIN desk_verdict v USING (event_id)
 WHERE e.kind = 'raised' AND e.at >= %(begin)s AND e.at < %(end)s AND a.quantity <> 'canary'
 GROUP BY 1;

-- name: priorities
SELECT peak_severity, count(*) FROM alarm
 WHERE detected_at >= %(begin)s AND detected_at < %(end)s AND NOT advisory
   AND quantity <> 'canary'
 GROUP BY 1;

-- name: stale
-- Alarms that had been open for longer than a day when the stretch ended, hidden ones not counted.
SELECT count(*) FROM alarm
 WHERE detected_at <= %(stale)s AND (closed_at IS NULL OR closed_at > %(end)s)
   AND hidden IS NULL AND NOT advisory AND quantity <> 'canary';

-- name: sources
-- Beginnings of every rule on every subject, the worst first, and of all together.
SELECT a.rule_id, a.subject, count(*), sum(count(*)) OVER ()::bigint
  FROM alarm_event e JOIN alarm a USING (alarm_id)
 WHERE e.kind = 'raised' AND e.at >= %(begin)s AND e.at < %(end)s AND a.quantity <> 'canary'
 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT %(top)s;

-- name: bursts
-- Beginnings that are one of three within a minute.
SELECT rule_id, subject, at FROM (
    SELECT a.rule_id, a.subject, e.at,
           lag(e.at, 2) OVER w AS two_before, lag(e.at) OVER w AS before,
           lead(e.at) OVER w AS next, lead(e.at, 2) OVER w AS two_next
      FROM alarm_event e JOIN alarm a USING (alarm_id)
     WHERE e.kind = 'raised' AND e.at >= %(begin)s AND e.at < %(end)s AND a.quantity <> 'canary'
    WINDOW w AS (PARTITION BY a.rule_id, a.subject ORDER BY e.at, e.event_id)) b
 WHERE at - two_before <= interval '1 minute' OR next - before <= interval '1 minute'
    OR two_next - at <= interval '1 minute'
 ORDER BY at LIMIT %(most)s;

-- name: causes
SELECT close_cause, count(*) FROM alarm
 WHERE closed_at >= %(begin)s AND closed_at < %(end)s AND quantity <> 'canary' GROUP BY 1;
