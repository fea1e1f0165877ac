-- name: uplinks
-- What is committed of every spool, or of those of some gateways.
SELECT gateway_id, epoch, low, above, version FROM uplink
 WHERE %(gateways)s::text[] IS NULL OR gateway_id = ANY(%(gateways)s);

-- name: save_uplink
-- What is committed of one spool, with this transaction; no row when it is not as it was read.
INSERT INTO uplink (gateway_id, epoch, low, above, version)
VALUES (%(gateway)s, %(epoch)s, %(low)s, %(above)s, 1)
ON CONFLICT (gateway_id, epoch) DO UPDATE
   SET low = excluded.low, above = excluded.above, version = uplink.version + 1,
       updated_at = now()
 WHERE uplink.version = %(version)s;

-- name: save_gateway_status
-- The last word of a gateway; of two the later one.
INSERT INTO gateway_status (gateway_id, online, at, report)
VALUES (%(gateway)s, %(online)s, to_timestamp(%(at_s)s), %(report)s)
ON CONFLICT (gateway_id) DO UPDATE
   SET online = excluded.online, at = excluded.at, report = excluded.report;

-- name: add_tally
-- The sums of this worker, and the number of this transaction for the case that its end is not heard.
INSERT INTO tally (worker_id, received, stored, rejected, duplicates, redelivered, latest_from)
VALUES (%(worker)s, %(received)s, %(stored)s, %(rejected)s, %(duplicates)s, %(redelivered)s,
        timestamptz 'epoch' + %(latest_from_us)s::bigint * interval '1 microsecond')
ON CONFLICT (worker_id) DO UPDATE
   SET received = tally.received + excluded.received, stored = tally.stored + excluded.stored,
       rejected = tally.rejected + excluded.rejected,
       duplicates = tally.duplicates + excluded.duplicates,
       redelivered = tally.redelivered + excluded.redelivered,
       latest_from = least(tally.latest_from, excluded.latest_from), updated_at = now()
RETURNING pg_current_xact_id()::text;

-- name: outcome
-- Whether the transaction of this number has been committed (null: too old to know).
SELECT pg_xact_status(%(number)s::text::xid8);

-- name: lock_worker
-- Held by the session: the old session of a killed worker is over before the new one reads.
SELECT pg_advisory_lock(hashtextextended('blocktwin ingest ' || %(worker)s, 0));
