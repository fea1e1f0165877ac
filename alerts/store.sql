-- name: open_conditions
-- Times in microseconds since the Unix epoch.
SELECT rule_id, subject, severity, returned_at IS NOT NULL,
       (extract(epoch FROM raised_at) * 1e6)::bigint, rule_version, field, quantity, latch, life_safety
  FROM alarm WHERE closed_at IS NULL;
