-- name: lineages
-- Every space version, with the codes from the district down to itself.
WITH RECURSIVE lineage AS (
    SELECT space_id, ARRAY[code] AS codes FROM space WHERE parent_id IS NULL
    UNION ALL
    SELECT s.space_id, l.codes || s.code FROM space s JOIN lineage l ON l.space_id = s.parent_id
)
SELECT space_id, codes FROM lineage;

-- name: series
-- Every series with what its device says of it.
SELECT s.series_id, s.device_id, s.quantity, d.kind, d.field, d.gateway_id, d.interval_s, d.space_id,
       d.attributes -> 'quality' AS quality, d.lon, d.lat, d.attributes -> 'tags' AS tags
  FROM series s
  JOIN device d USING (device_id)
 ORDER BY s.series_id;

-- name: gateways
SELECT gateway_id FROM gateway ORDER BY gateway_id;

-- name: relations
-- Every step of the networks in force.
SELECT DISTINCT s.kind, r.upstream, r.downstream
  FROM relation r JOIN relation_set s USING (set_id)
 WHERE s.valid_to IS NULL
 ORDER BY s.kind, r.upstream, r.downstream;
