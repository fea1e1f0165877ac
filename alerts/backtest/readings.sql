-- name: room
-- For this transaction: the arrays of a slice stay in memory instead of being spilled to disk.
SELECT set_config('work_mem', '128MB', true), set_config('jit', 'off', true);

-- name: readings
-- The readings of some series in a stretch: one row a series, its readings in any order, since rows
-- of arrays cross the wire many times quicker than single ones.
SELECT series_id, array_agg(observed_at), array_agg(value), array_agg(quality)
  FROM reading
 WHERE observed_at >= %(since)s::timestamptz AND observed_at < %(until)s::timestamptz
   AND series_id = ANY(%(series)s::integer[])
 GROUP BY series_id;

-- name: places
SELECT d.device_id, d.name, d.lon, d.lat, coalesce(s.code, '')
  FROM device d
  LEFT JOIN space s USING (space_id)
 WHERE d.device_id = ANY(%(devices)s)
UNION ALL
SELECT g.gateway_id, g.name, g.lon, g.lat, coalesce(s.code, '')
  FROM gateway g
  LEFT JOIN space s USING (space_id)
 WHERE g.gateway_id = ANY(%(devices)s);
