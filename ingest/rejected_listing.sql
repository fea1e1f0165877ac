-- name: overview
-- Rejects by reason and what they are of: the device, or the topic of a whole message. The example is
-- the newest one.
WITH grouped AS (
    SELECT reason, coalesce(device, topic) AS subject, count(*) AS rejects, sum(readings) AS readings,
           min(received_at) AS first_at, max(received_at) AS last_at, max(rejected_id) AS example
      FROM rejected
     WHERE (%(open)s::boolean IS NULL OR (resolved_at IS NULL) = %(open)s)
       AND (%(reason)s::text IS NULL OR reason = %(reason)s)
       AND (%(topic)s::text IS NULL OR starts_with(topic, %(topic)s))
       AND (%(gateway)s::text IS NULL
            OR (starts_with(topic, 'bt/') AND split_part(topic, '/', 4) = %(gateway)s))
       AND (%(device)s::text IS NULL OR device = %(device)s)
       AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
       AND (%(ids)s::bigint[] IS NULL OR rejected_id = ANY(%(ids)s))
     GROUP BY 1, 2
     ORDER BY readings DESC, 1, 2
     LIMIT %(limit)s
)
SELECT g.reason, g.subject, g.rejects, g.readings::bigint, g.first_at, g.last_at, g.example, r.detail
  FROM grouped g JOIN rejected r ON r.rejected_id = g.example
 ORDER BY g.readings DESC, g.reason, g.subject;

-- name: each
-- Rejects one by one, the newest first.
SELECT rejected_id, received_at, reason, topic, detail, readings, device, quantity, resolved_at,
       resolution
  FROM rejected
 WHERE (%(open)s::boolean IS NULL OR (resolved_at IS NULL) = %(open)s)
   AND (%(reason)s::text IS NULL OR reason = %(reason)s)
   AND (%(topic)s::text IS NULL OR starts_with(topic, %(topic)s))
   AND (%(gateway)s::text IS NULL
        OR (starts_with(topic, 'bt/') AND split_part(topic, '/', 4) = %(gateway)s))
   AND (%(device)s::text IS NULL OR device = %(device)s)
   AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
   AND (%(ids)s::bigint[] IS NULL OR rejected_id = ANY(%(ids)s))
 ORDER BY rejected_id DESC
 LIMIT %(limit)s;

-- name: unknown
-- What unregistered devices, and unregistered quantities of registered ones, have sent: one row for
-- each name, with its newest reading.
WITH grouped AS (
    SELECT device, quantity, sum(readings) AS readings,
           min(received_at) AS first_at, max(received_at) AS last_at, max(rejected_id) AS example,
           array_agg(DISTINCT CASE WHEN starts_with(topic, 'bt/') THEN split_part(topic, '/', 4)
                                   ELSE '' END) AS gateways
      FROM rejected
     WHERE reason IN ('unknown_device', 'unknown_quantity')
       AND (%(open)s::boolean IS NULL OR (resolved_at IS NULL) = %(open)s)
       AND (%(reason)s::text IS NULL OR reason = %(reason)s)
       AND (%(topic)s::text IS NULL OR starts_with(topic, %(topic)s))
       AND (%(gateway)s::text IS NULL
            OR (starts_with(topic, 'bt/') AND split_part(topic, '/', 4) = %(gateway)s))
       AND (%(device)s::text IS NULL OR device = %(device)s)
       AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
       AND (%(ids)s::bigint[] IS NULL OR rejected_id = ANY(%(ids)s))
     GROUP BY 1, 2
     ORDER BY 1, 2
     LIMIT %(limit)s
)
SELECT g.device, g.quantity, g.readings::bigint, g.first_at, g.last_at,
       array_remove(g.gateways, '') AS gateways, r.payload,
       EXISTS (SELECT FROM device d WHERE d.device_id = g.device) AS device_registered,
       EXISTS (SELECT FROM series s WHERE s.device_id = g.device AND s.quantity = g.quantity)
           AS series_registered
  FROM grouped g JOIN rejected r ON r.rejected_id = g.example
 ORDER BY g.device, g.quantity;

-- name: one
SELECT rejected_id, received_at, reason, topic, detail, payload, content_type, readings, device,
       quantity, resolved_at, resolution
  FROM rejected
 WHERE rejected_id = %(rejected_id)s;
