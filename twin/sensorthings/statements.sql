-- The frames of every question; the parts in braces come from relations.sql and functions.sql.

-- name: page
SELECT {columns} FROM ({relation}) AS e0 {joins}
 WHERE {where} ORDER BY {order} LIMIT {limit} OFFSET {offset};

-- name: each
-- A page for each of several parents.
SELECT p.key AS parent, c.* FROM unnest({keys}) AS p(key) CROSS JOIN LATERAL ({page}) AS c
 LIMIT {most};

-- name: count
SELECT count(*) FROM ({relation}) AS e0 {joins} WHERE {where};

-- name: count_each
SELECT p.key AS parent, ({count}) AS n FROM unnest({keys}) AS p(key);

-- name: part
-- A part of an object, ordered as text.
({column} #>> {keys});

-- name: join
LEFT JOIN ({relation}) AS {alias} ON {there} = {here};

-- name: exists
-- A filter over a link to many holds when some combination of linked rows satisfies all of it.
EXISTS (SELECT FROM (VALUES (1)) AS one {joins} WHERE {where});

-- name: of_feature
-- Series that have ever stood in a feature: the exact test is that of the feature itself.
{series} IN (SELECT s.series_id FROM series s JOIN device_place dp USING (device_id)
               LEFT JOIN space sp ON sp.space_id = dp.space_id
              WHERE coalesce(sp.code, 'place,' || dp.place_id) = {key});

-- name: extents
-- The first and the last time of each series: two probes of the key's index.
SELECT s.id, f.at, l.at FROM unnest(%(series)s::int[]) AS s(id)
 CROSS JOIN LATERAL (SELECT observed_at AS at FROM reading WHERE series_id = s.id
                      ORDER BY observed_at LIMIT 1) f
 CROSS JOIN LATERAL (SELECT observed_at AS at FROM reading WHERE series_id = s.id
                      ORDER BY observed_at DESC LIMIT 1) l;

-- name: datastream_words
-- What the relation of Datastreams makes its columns of, for the answer that is put together of
-- bytes: to build 20,000 times three objects takes the database ten times as long.
SELECT s.series_id, s.device_id, s.quantity, d.name, d.lon, d.lat, d.interval_s
  FROM series s JOIN device d USING (device_id) ORDER BY s.series_id LIMIT %(most)s;

-- name: places
-- Positions of devices, now and then, inside a box.
SELECT place_id, lon, lat FROM device_place
 WHERE lon >= %(west)s AND lon <= %(east)s AND lat >= %(south)s AND lat <= %(north)s;

-- name: outlines
SELECT DISTINCT ON (code) code, outline::text FROM space
 ORDER BY code, valid_to DESC NULLS FIRST, space_id DESC;

-- name: loose_places
SELECT 'place,' || place_id, lon, lat FROM device_place WHERE space_id IS NULL;
