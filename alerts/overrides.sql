-- name: in_force
-- Overrides of rules in force, with the rule that they must fit.
SELECT o.rule_id, o.device_id, o.enabled, o.levels, r.body
  FROM rule_override o
  JOIN rule r ON r.rule_id = o.rule_id AND r.active
 WHERE o.ended_at IS NULL AND (o.until IS NULL OR o.until > now())
 ORDER BY o.rule_id, o.device_id;

-- name: listed
-- Overrides with who and why, the newest first: those in force, or all there ever were.
SELECT o.override_id, o.rule_id, o.device_id, d.name AS device_name, o.enabled, o.levels, o.author,
       o.reason, o.at, o.until, o.ended_at, o.ended_by
  FROM rule_override o
  JOIN device d USING (device_id)
 WHERE (%(rule)s::text IS NULL OR o.rule_id = %(rule)s)
   AND (%(device)s::text IS NULL OR o.device_id = %(device)s)
   AND (%(ever)s OR (o.ended_at IS NULL AND (o.until IS NULL OR o.until > now())))
   AND (%(before)s::integer IS NULL OR o.override_id < %(before)s)
 ORDER BY o.override_id DESC
 LIMIT %(limit)s;

-- name: lock_overrides
SELECT pg_advisory_xact_lock(hashtextextended('blocktwin.overrides', 0));

-- name: rule
SELECT body FROM rule WHERE active AND rule_id = %(rule)s;

-- name: series
-- What a device measures, for asking whether a rule judges it.
WITH RECURSIVE up AS (
    SELECT s.space_id, s.parent_id, s.code
      FROM space s JOIN device d USING (space_id) WHERE d.device_id = %(device)s
    UNION ALL
    SELECT s.space_id, s.parent_id, s.code FROM space s JOIN up ON s.space_id = up.parent_id
)
SELECT s.series_id, s.quantity, d.kind, d.field, d.gateway_id, d.interval_s,
       ARRAY(SELECT code FROM up) AS spaces, d.attributes -> 'tags' AS tags
  FROM device d
  LEFT JOIN series s USING (device_id)
 WHERE d.device_id = %(device)s;

-- name: end
UPDATE rule_override SET ended_at = now(), ended_by = %(by)s
 WHERE ended_at IS NULL AND rule_id = %(rule)s AND device_id = %(device)s
RETURNING override_id;

-- name: end_due
UPDATE rule_override SET ended_at = until, ended_by = 'until'
 WHERE ended_at IS NULL AND until <= %(now)s
RETURNING override_id;

-- name: add
INSERT INTO rule_override (rule_id, device_id, enabled, levels, author, reason, until)
VALUES (%(rule)s, %(device)s, %(enabled)s, %(levels)s, %(author)s, %(reason)s, %(until)s)
RETURNING override_id;
