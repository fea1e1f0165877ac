-- The newest reading of every series. Both statements give one value, because rows cost the driver
-- a hundred times as much.

-- name: catalog
-- "series device quantity", a line each, by series; `inside` is the space and all that lies in it.
WITH RECURSIVE inside AS (
    SELECT space_id FROM space WHERE code = %(space)s AND valid_to IS NULL
    UNION
    SELECT child.space_id FROM space child JOIN inside ON child.parent_id = inside.space_id
)
SELECT string_agg(s.series_id || ' ' || s.device_id || ' ' || s.quantity, E'\n'
                  ORDER BY s.series_id)
  FROM series s JOIN device d USING (device_id)
 WHERE (%(field)s::text IS NULL OR d.field = %(field)s)
   AND (%(kind)s::text IS NULL OR d.kind = %(kind)s)
   AND (%(gateway)s::text IS NULL OR d.gateway_id = %(gateway)s)
   AND (%(space)s::text IS NULL OR d.space_id IN (SELECT space_id FROM inside));

-- name: latest
-- 32 bytes a series: int4 id, int8 observed and received in microseconds since 2000-01-01, float8
-- value, int4 quality.
SELECT string_agg(int4send(series_id) || timestamptz_send(observed_at)
                  || timestamptz_send(received_at) || float8send(value) || int4send(quality),
                  ''::bytea)
  FROM latest
 WHERE %(series)s::int[] IS NULL OR series_id = ANY(%(series)s);
