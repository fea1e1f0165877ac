-- What each entity is made of: one relation a type, with the columns that model.py names. They are
-- used as subqueries, and the database computes only the columns that are asked for.

-- name: thing
SELECT d.device_id AS id, d.name,
       d.kind || ' in the field ' || d.field
              || CASE WHEN d.address = '' THEN '' ELSE ', ' || d.address END AS description,
       jsonb_build_object('kind', d.kind, 'field', d.field, 'gateway_id', d.gateway_id,
                          'interval_s', d.interval_s, 'address', d.address,
                          'height_m', d.height_m, 'space', s.code, 'placed_how', d.placed_how,
                          'attributes', d.attributes) AS properties
  FROM device d LEFT JOIN space s USING (space_id);

-- name: location
-- A place of a device, now or in the past; only that of now is the Thing's Location.
SELECT p.place_id AS id, p.device_id || ' #' || p.place_id AS name,
       CASE p.placed_how WHEN 'unplaced' THEN 'in no space' ELSE p.placed_how || ' ' || s.code END
           AS description,
       'application/geo+json' AS encoding,
       jsonb_build_object('type', 'Point', 'coordinates',
           CASE WHEN p.height_m IS NULL THEN jsonb_build_array(p.lon, p.lat)
                ELSE jsonb_build_array(p.lon, p.lat, p.height_m) END) AS location,
       jsonb_build_object('space', s.code, 'gateway_id', p.gateway_id, 'placed_how', p.placed_how,
                          'current', p.to_at IS NULL) AS properties,
       CASE WHEN p.to_at IS NULL THEN p.device_id END AS current_thing_id
  FROM device_place p LEFT JOIN space s USING (space_id);

-- name: historical_location
-- A place known "since ever" counts from when its device was registered.
SELECT p.place_id AS id, coalesce(p.from_at, d.created_at) AS time, p.device_id AS thing_id
  FROM device_place p JOIN device d USING (device_id);

-- name: datastream
SELECT s.series_id AS id, s.device_id || ':' || s.quantity AS name,
       s.quantity || ' of ' || d.name AS description,
       'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement' AS observation_type,
       jsonb_build_object('name', q.unit_name, 'symbol', q.symbol, 'definition', q.uom) AS unit,
       jsonb_build_object('type', 'Point', 'coordinates', jsonb_build_array(d.lon, d.lat)) AS area,
       jsonb_build_object('quantity', s.quantity, 'interval_s', d.interval_s) AS properties,
       s.device_id AS thing_id, d.kind AS sensor_id, s.quantity AS property_id,
       p.place_id
  FROM series s JOIN device d USING (device_id)
  LEFT JOIN jsonb_to_recordset(%(quantities)s::jsonb)
       AS q(id text, symbol text, unit_name text, uom text) ON q.id = s.quantity
  LEFT JOIN device_place p ON p.device_id = s.device_id AND p.to_at IS NULL;

-- name: sensor
SELECT k.id, k.name, k.description, 'text/html' AS encoding, k.metadata, k.properties
  FROM jsonb_to_recordset(%(kinds)s::jsonb)
       AS k(id text, name text, description text, metadata text, properties jsonb);

-- name: observed_property
SELECT q.id, q.name, q.definition, q.description, q.properties
  FROM jsonb_to_recordset(%(quantities)s::jsonb)
       AS q(id text, name text, definition text, description text, properties jsonb);

-- name: observation
-- Its feature is where the device stood then.
SELECT r.series_id || '-' || (extract(epoch FROM r.observed_at) * 1000000)::bigint AS id,
       r.series_id, r.observed_at, r.received_at, r.value, r.quality,
       jsonb_build_object('code', r.quality) AS judgement,
       jsonb_build_object('delay_s',
           extract(epoch FROM r.received_at - r.observed_at)::double precision) AS parameters,
       (SELECT coalesce(sp.code, 'place,' || p.place_id)
          FROM series s JOIN device_place p USING (device_id) LEFT JOIN space sp USING (space_id)
         WHERE s.series_id = r.series_id
           AND (p.from_at IS NULL OR p.from_at <= r.observed_at)
           AND (p.to_at IS NULL OR p.to_at > r.observed_at)
         LIMIT 1) AS feature_id
  FROM reading r;

-- name: newest_observation
-- The newest of each series, from the table that follows the readings by about a second.
SELECT r.series_id || '-' || (extract(epoch FROM r.observed_at) * 1000000)::bigint AS id,
       r.series_id, r.observed_at, r.received_at, r.value, r.quality,
       jsonb_build_object('code', r.quality) AS judgement,
       jsonb_build_object('delay_s',
           extract(epoch FROM r.received_at - r.observed_at)::double precision) AS parameters,
       (SELECT coalesce(sp.code, 'place,' || p.place_id)
          FROM series s JOIN device_place p USING (device_id) LEFT JOIN space sp USING (space_id)
         WHERE s.series_id = r.series_id
           AND (p.from_at IS NULL OR p.from_at <= r.observed_at)
           AND (p.to_at IS NULL OR p.to_at > r.observed_at)
         LIMIT 1) AS feature_id
  FROM latest r;

-- name: feature_of_interest
-- The newest version of every space, and the point of each place that lies in none.
SELECT f.code AS id, CASE f.name WHEN '' THEN f.code ELSE f.name END AS name,
       f.kind || ' ' || f.code AS description, 'application/geo+json' AS encoding,
       f.outline AS feature,
       jsonb_build_object('code', f.code, 'kind', f.kind, 'name_en', f.name_en,
                          'height_m', f.height_m, 'in_force', f.valid_to IS NULL) AS properties
  FROM (SELECT DISTINCT ON (code) * FROM space
         ORDER BY code, valid_to DESC NULLS FIRST, space_id DESC) f
UNION ALL
SELECT 'place,' || p.place_id, p.device_id, 'the place of a device in no space',
       'application/geo+json',
       jsonb_build_object('type', 'Point', 'coordinates', jsonb_build_array(p.lon, p.lat)),
       jsonb_build_object('device_id', p.device_id)
  FROM device_place p WHERE p.space_id IS NULL;
