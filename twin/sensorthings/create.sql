-- What creating asks the store.

-- name: series
-- The Datastreams that Observations shall be created for.
SELECT s.series_id, s.device_id, s.quantity, d.gateway_id
  FROM series s JOIN device d USING (device_id) WHERE s.series_id = ANY(%(series)s);

-- name: stored
-- Which of some readings are stored, and what they say.
SELECT n.i, r.value
  FROM jsonb_to_recordset(%(wanted)s::jsonb) AS n(i integer, series integer, at timestamptz)
  JOIN reading r ON r.series_id = n.series AND r.observed_at = n.at;

-- name: refused
-- The newest refusals of a gateway's readings of some devices; the time stands in the payload.
SELECT device, quantity, reason, detail, payload FROM rejected
 WHERE topic = %(topic)s AND device = ANY(%(devices)s) AND received_at >= %(since)s
 ORDER BY rejected_id DESC LIMIT %(limit)s;

-- name: place
SELECT lon, lat, height_m FROM device_place WHERE place_id = %(location)s;

-- name: gateway
SELECT EXISTS (SELECT FROM gateway WHERE gateway_id = %(gateway)s);

-- name: device
SELECT EXISTS (SELECT FROM device WHERE device_id = %(device)s);

-- name: by
-- Who makes the change, for the history of devices.
SELECT set_config('blocktwin.by', %(by)s, true),
       set_config('blocktwin.reason', 'created at /sta/v1.1', true);
