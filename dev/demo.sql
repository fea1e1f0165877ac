-- Figures of a run of the demo, taken from what the services committed.

-- name: tally
-- What every worker ever received, and how it ended.
SELECT coalesce(sum(received), 0)::bigint AS received,
       coalesce(sum(stored), 0)::bigint AS stored,
       coalesce(sum(rejected), 0)::bigint AS rejected,
       coalesce(sum(duplicates), 0)::bigint AS duplicates
  FROM tally;

-- name: marks
-- Where a run begins: the server's clock and the newest rejected row.
SELECT clock_timestamp() AS at, coalesce(max(rejected_id), 0)::bigint AS rejected_id FROM rejected;

-- name: rejected_after
-- Rejected readings of this run, by reason.
SELECT reason, sum(readings)::bigint AS readings FROM rejected
 WHERE rejected_id > %(rejected_id)s GROUP BY reason ORDER BY reason;

-- name: alarms_since
-- Alarms of this run by field and by the worst severity that each reached.
SELECT field, peak_severity AS severity, count(*)::bigint AS alarms FROM alarm
 WHERE detected_at >= %(at)s GROUP BY field, peak_severity ORDER BY field, peak_severity;

-- name: open_alarms
SELECT count(*)::bigint AS open FROM alarm WHERE closed_at IS NULL;

-- name: facts
SELECT key, value FROM store_fact WHERE key IN ('timescaledb_version', 'timescaledb_edition');
