-- name: rule_types
SELECT rule_id, body ->> 'type' FROM rule WHERE active LIMIT 10000;

-- name: hidden
SELECT rule_id, subject FROM alarm
 WHERE closed_at IS NULL AND hidden IS NOT NULL ORDER BY raised_at DESC LIMIT 10000;

-- name: asked
SELECT rule_id, subject FROM alarm
 WHERE closed_at IS NULL AND life_safety AND state IN ('unacknowledged', 'returned_unacknowledged')
 ORDER BY raised_at DESC LIMIT 10000;
