-- name: newest
-- The last reject there is; what a retry itself adds comes after it.
SELECT coalesce(max(rejected_id), 0) FROM rejected;

-- name: take
-- The next open rejects, locked; those that another retry holds are left to it. Rows and bytes are
-- bounded: a refused message may be a megabyte. Every column comes from the locked row: another
-- retry may have changed it since this statement began.
WITH next AS MATERIALIZED (
    SELECT rejected_id, (extract(epoch FROM received_at) * 1000000)::bigint AS received_us, topic,
           reason, detail, payload, content_type, readings, device, quantity
      FROM rejected
     WHERE resolved_at IS NULL AND rejected_id > %(after)s AND rejected_id <= %(until)s
       AND (%(reason)s::text IS NULL OR reason = %(reason)s)
       AND (%(topic)s::text IS NULL OR starts_with(topic, %(topic)s))
       AND (%(gateway)s::text IS NULL
            OR (starts_with(topic, 'bt/') AND split_part(topic, '/', 4) = %(gateway)s))
       AND (%(device)s::text IS NULL OR device = %(device)s)
       AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
       AND (%(ids)s::bigint[] IS NULL OR rejected_id = ANY(%(ids)s))
     ORDER BY rejected_id
     LIMIT %(rows)s
       FOR UPDATE SKIP LOCKED
), bounded AS (
    SELECT *, sum(octet_length(payload)::bigint) OVER (ORDER BY rejected_id)
              - octet_length(payload) AS before
      FROM next
)
SELECT rejected_id, received_us, topic, reason, detail, payload, content_type, readings, device,
       quantity
  FROM bounded
 WHERE before < %(bytes)s
 ORDER BY rejected_id;

-- name: resolve
-- What became of rejects.
UPDATE rejected SET resolved_at = now(), resolution = done.resolution
  FROM unnest(%(ids)s::bigint[], %(resolutions)s::text[]) AS done (rejected_id, resolution)
 WHERE rejected.rejected_id = done.rejected_id;

-- name: reword
-- Still refused, but for another reason than before.
UPDATE rejected SET reason = now_is.reason, detail = now_is.detail, readings = now_is.readings,
       device = now_is.device, quantity = now_is.quantity
  FROM unnest(%(ids)s::bigint[], %(reasons)s::text[], %(details)s::text[], %(readings)s::int[],
              %(devices)s::text[], %(quantities)s::text[])
       AS now_is (rejected_id, reason, detail, readings, device, quantity)
 WHERE rejected.rejected_id = now_is.rejected_id;

-- name: drop
-- The next open rejects are not wanted any more; the rows stay until retention takes them.
WITH next AS MATERIALIZED (
    SELECT rejected_id
      FROM rejected
     WHERE resolved_at IS NULL AND rejected_id > %(after)s AND rejected_id <= %(until)s
       AND (%(reason)s::text IS NULL OR reason = %(reason)s)
       AND (%(topic)s::text IS NULL OR starts_with(topic, %(topic)s))
       AND (%(gateway)s::text IS NULL
            OR (starts_with(topic, 'bt/') AND split_part(topic, '/', 4) = %(gateway)s))
       AND (%(device)s::text IS NULL OR device = %(device)s)
       AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
       AND (%(ids)s::bigint[] IS NULL OR rejected_id = ANY(%(ids)s))
     ORDER BY rejected_id
     LIMIT %(rows)s
       FOR UPDATE SKIP LOCKED
)
UPDATE rejected SET resolved_at = now(), resolution = 'dropped'
  FROM next
 WHERE rejected.rejected_id = next.rejected_id
RETURNING rejected.rejected_id, rejected.readings;
