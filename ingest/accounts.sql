-- name: uplinks
-- What is committed of every spool.
SELECT gateway_id, epoch, low, above FROM uplink;

-- name: save_uplink
-- What is committed of one spool, with this transaction.
INSERT INTO uplink (gateway_id, epoch, low, above)
VALUES (%(gateway)s, %(epoch)s, %(low)s, %(above)s)
ON CONFLICT (gateway_id, epoch) DO UPDATE
   SET low = excluded.low, above = excluded.above, updated_at = now();

-- name: save_gateway_status
-- The last word of a gateway; of two the later one.
INSERT INTO gateway_status (gateway_id, online, at, report)
VALUES (%(gateway)s, %(online)s, to_timestamp(%(at_s)s), %(report)s)
ON CONFLICT (gateway_id) DO UPDATE
   SET online = excluded.online, at = excluded.at, report = excluded.report;

-- name: add_tally
-- The sums of this worker, and the number of this transaction for the case that its end is not heard.
INSERT INTO tally (worker_id, received, stored, rejected, duplicates, redelivered)
VALUES (%(worker)s, %(received)s, %(stored)s, %(rejected)s, %(duplicates)s, %(redelivered)s)
ON CONFLICT (worker_id) DO UPDATE
   SET received = tally.received + excluded.received, stored = tally.stored + excluded.stored,
       rejected = tally.rejected + excluded.rejected,
       duplicates = tally.duplicates + excluded.duplicates,
       redelivered = tally.redelivered + excluded.redelivered, updated_at = now()
RETURNING pg_current_xact_id()::text;

-- name: outcome
-- Whether the transaction of this number has been committed (null: too old to know).
SELECT pg_xact_status(%(number)s::text::xid8);

-- name: lock_worker
-- Held by the session: the old session of a killed worker is over before the new one reads.
SELECT pg_advisory_lock(hashtextextended('blocktwin ingest ' || %(worker)s, 0));
