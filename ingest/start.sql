-- name: copy_newest
-- The newest readings outside a span of device time, one per series: what slow reporters said last.
COPY (SELECT series_id, observed_at, received_at, value, quality FROM latest
       WHERE (observed_at < to_timestamp(%(from_s)s) OR observed_at >= to_timestamp(%(to_s)s))
         AND quality & %(backfilled)s = 0) TO STDOUT (FORMAT binary);

-- name: open_conditions
-- What the alarm engine must know of the open alarms; the time is the onset's, by the device's clock.
SELECT rule_id, subject, severity, returned_at IS NOT NULL,
       (extract(epoch FROM raised_at) * 1000000)::bigint, rule_version, field, quantity, latch,
       life_safety
  FROM alarm
       -- The notifier raises and ends that of a canary; no worker judges it.
 WHERE closed_at IS NULL AND rule_id <> 'canary-late';
