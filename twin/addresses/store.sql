-- Standard addresses and what the index of the address service is made from.

-- name: lock
-- One import at a time; readers do not wait.
LOCK TABLE address IN SHARE ROW EXCLUSIVE MODE;

-- name: count
SELECT count(*) FROM address;

-- name: clashes
-- Rows whose house code and normal form name two different addresses that are already there.
SELECT n.line,
       CASE WHEN h.address_id IS NULL
            THEN 'the address is there already with house code ' || a.house_code
            ELSE 'its house code is there already for ' || h.text END AS reason
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(line integer, normal text, house_code text)
  JOIN address a ON a.normal = n.normal
  LEFT JOIN address h ON h.house_code = n.house_code AND h.address_id <> a.address_id
 WHERE n.house_code IS NOT NULL AND a.house_code IS DISTINCT FROM n.house_code
   AND (a.house_code IS NOT NULL OR h.address_id IS NOT NULL);

-- name: unknown_spaces
-- Rows without a position whose space is not in force.
SELECT n.line
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(line integer, space_code text, lon float8)
 WHERE n.lon IS NULL
   AND NOT EXISTS (SELECT FROM space s WHERE s.code = n.space_code AND s.valid_to IS NULL);

-- name: update_by_house
-- What the house code names already.
UPDATE address a
   SET text = n.text, normal = n.normal, parts = n.parts, space_code = n.space_code, lon = n.lon,
       lat = n.lat, frame = n.frame, source = n.source, building_code = n.building_code,
       updated_at = now()
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
       text text, normal text, parts jsonb, space_code text, lon float8, lat float8, frame text,
       source text, building_code text, house_code text)
 WHERE a.house_code = n.house_code
   AND (a.text, a.normal, a.parts, a.space_code, a.lon, a.lat, a.frame, a.source, a.building_code)
       IS DISTINCT FROM
       (n.text, n.normal, n.parts, n.space_code, n.lon, n.lat, n.frame, n.source, n.building_code);

-- name: upsert
-- The rest, by normal form; a code that a row does not give stays as it is.
INSERT INTO address AS a
       (text, normal, parts, space_code, lon, lat, frame, source, building_code, house_code)
SELECT n.text, n.normal, n.parts, n.space_code, n.lon, n.lat, n.frame, n.source, n.building_code,
       n.house_code
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
       line integer, text text, normal text, parts jsonb, space_code text, lon float8, lat float8,
       frame text, source text, building_code text, house_code text)
 WHERE n.house_code IS NULL
    OR NOT EXISTS (SELECT FROM address h WHERE h.house_code = n.house_code)
 ORDER BY n.line
    ON CONFLICT (normal) DO UPDATE
   SET text = excluded.text, parts = excluded.parts,
       space_code = coalesce(excluded.space_code, a.space_code), lon = excluded.lon,
       lat = excluded.lat, frame = excluded.frame, source = excluded.source,
       building_code = coalesce(excluded.building_code, a.building_code),
       house_code = coalesce(excluded.house_code, a.house_code), updated_at = now()
 WHERE (a.text, a.parts, a.lon, a.lat, a.frame, a.source)
       IS DISTINCT FROM
       (excluded.text, excluded.parts, excluded.lon, excluded.lat, excluded.frame, excluded.source)
    OR excluded.space_code <> coalesce(a.space_code, '')
    OR excluded.building_code <> coalesce(a.building_code, '')
    OR excluded.house_code <> coalesce(a.house_code, '')
RETURNING (xmax = 0) AS added;

-- name: announce
-- The API reads the registry again, and with it the addresses; it is delivered with the commit.
SELECT pg_notify('blocktwin_registry', '');

-- name: list
SELECT text, normal, space_code, lon, lat, source, building_code, house_code, updated_at
  FROM address
 WHERE %(begin)s::text IS NULL OR starts_with(normal, %(begin)s)
 ORDER BY normal LIMIT %(limit)s;

-- name: spaces
SELECT s.code, s.kind, s.name, s.name_en, p.code AS parent, s.outline
  FROM space s LEFT JOIN space p ON p.space_id = s.parent_id
 WHERE s.valid_to IS NULL;

-- name: devices
SELECT d.device_id, d.name, d.address, d.lon, d.lat, s.code AS space_code
  FROM device d LEFT JOIN space s ON s.space_id = d.space_id
 ORDER BY d.device_id;

-- name: addresses
SELECT text, parts, lon, lat, space_code, building_code, house_code, frame, source
  FROM address ORDER BY address_id LIMIT %(limit)s;

-- name: names
SELECT s.code, s.kind, s.name, p.code AS parent
  FROM space s LEFT JOIN space p ON p.space_id = s.parent_id
 WHERE s.valid_to IS NULL AND s.kind IN ('district', 'street', 'community');
