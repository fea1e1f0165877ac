-- name: follow
-- How far `latest` is behind what this worker has stored (null: it is not).
UPDATE tally SET latest_from = timestamptz 'epoch' + %(from_us)s::bigint * interval '1 microsecond'
 WHERE worker_id = %(worker)s;

-- name: behind
-- Workers whose readings `latest` may lack, and from which device time on.
SELECT worker_id, (extract(epoch FROM latest_from) * 1000000)::bigint
  FROM tally WHERE latest_from IS NOT NULL ORDER BY worker_id;

-- name: is_gone
-- Whether nobody runs under this name: its lock can be had (and is given back with the transaction).
SELECT pg_try_advisory_xact_lock(hashtextextended('blocktwin ingest ' || %(worker)s, 0));

-- name: repair
-- The newest reading of each series from a device time on. Cheap: the time finds the rows.
INSERT INTO latest (series_id, observed_at, received_at, value, quality)
SELECT DISTINCT ON (series_id) series_id, observed_at, received_at, value, quality
  FROM reading
 WHERE observed_at >= timestamptz 'epoch' + %(from_us)s::bigint * interval '1 microsecond'
 ORDER BY series_id, observed_at DESC
ON CONFLICT (series_id) DO UPDATE
   SET observed_at = excluded.observed_at, received_at = excluded.received_at,
       value = excluded.value, quality = excluded.quality
 WHERE latest.observed_at < excluded.observed_at;
