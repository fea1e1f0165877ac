-- What scenes read, and where surveyed surfaces are kept.

-- name: space
SELECT s.space_id, s.code, s.kind, s.name, s.name_en, p.code AS parent
  FROM space s LEFT JOIN space p ON p.space_id = s.parent_id
 WHERE s.code = %(code)s AND s.valid_to IS NULL;

-- name: bodies
-- The blocks and buildings of a space, itself included; one more than the limit tells "too many".
WITH RECURSIVE inside AS (
    SELECT space_id FROM space WHERE code = %(code)s AND valid_to IS NULL
    UNION
    SELECT child.space_id FROM space child JOIN inside ON child.parent_id = inside.space_id
     WHERE child.valid_to IS NULL
)
SELECT code, kind, name, name_en, height_m, outline::text AS outline
  FROM space JOIN inside USING (space_id)
 WHERE kind IN ('block', 'building')
 ORDER BY kind, code
 LIMIT %(limit)s;

-- name: devices
-- What stands in a space.
WITH RECURSIVE inside AS (
    SELECT space_id FROM space WHERE code = %(code)s AND valid_to IS NULL
    UNION
    SELECT child.space_id FROM space child JOIN inside ON child.parent_id = inside.space_id
     WHERE child.valid_to IS NULL
)
SELECT d.device_id, d.kind, d.field, d.name, d.lon, d.lat, d.height_m, s.code AS space
  FROM device d JOIN inside USING (space_id) JOIN space s USING (space_id)
 ORDER BY d.device_id
 LIMIT %(limit)s;

-- name: devices_in_box
SELECT d.device_id, d.kind, d.field, d.name, d.lon, d.lat, d.height_m, s.code AS space
  FROM device d LEFT JOIN space s USING (space_id)
 WHERE d.lon BETWEEN %(west)s AND %(east)s AND d.lat BETWEEN %(south)s AND %(north)s
   AND d.field = 'slope'
 ORDER BY d.device_id
 LIMIT %(limit)s;

-- name: device
SELECT device_id, name, lon, lat FROM device WHERE device_id = %(device)s;

-- name: surfaces
-- All surveys, or those of a space and what lies in it, the newest first; without their points.
WITH RECURSIVE inside AS (
    SELECT space_id FROM space WHERE code = %(code)s
    UNION
    SELECT child.space_id FROM space child JOIN inside ON child.parent_id = inside.space_id
)
SELECT f.surface_id, f.name, s.code AS space, f.surveyed_at, f.kind, f.frame, f.height_datum,
       f.source, f.file_name, f.point_count, f.facet_count, f.area_m2, f.west, f.south, f.east,
       f.north, f.lowest_m, f.highest_m, f.imported_at, f.imported_by
  FROM surface f JOIN space s USING (space_id)
 WHERE %(code)s::text IS NULL OR f.space_id IN (SELECT space_id FROM inside)
 ORDER BY f.surveyed_at DESC, f.surface_id
 LIMIT %(limit)s;

-- name: surface
SELECT f.surface_id, f.name, s.code AS space, f.surveyed_at, f.kind, f.frame, f.height_datum,
       f.source, f.file_name, f.point_count, f.facet_count, f.area_m2, f.west, f.south, f.east,
       f.north, f.lowest_m, f.highest_m, f.imported_at, f.imported_by, f.file_sha256,
       f.points_format, f.points, f.row_count, f.column_count, f.report
  FROM surface f JOIN space s USING (space_id)
 WHERE f.surface_id = %(surface)s;

-- name: over_box
-- The surveys whose box meets a box: those that cover it most, to a tenth, and of these the newest.
SELECT surface_id FROM surface
 WHERE west <= %(east)s AND east >= %(west)s AND south <= %(north)s AND north >= %(south)s
 ORDER BY round(((least(east, %(east)s) - greatest(west, %(west)s))
                 * (least(north, %(north)s) - greatest(south, %(south)s))
                 / nullif((%(east)s - %(west)s) * (%(north)s - %(south)s), 0))::numeric, 1) DESC,
          surveyed_at DESC, surface_id
 LIMIT %(limit)s;

-- name: nearest
-- The survey whose box is nearest to a point, by degrees: only to say how far off it is.
SELECT surface_id FROM surface
 ORDER BY greatest(west - %(lon)s, %(lon)s - east, 0) + greatest(south - %(lat)s, %(lat)s - north, 0),
          surveyed_at DESC, surface_id
 LIMIT 1;

-- name: stamp
-- Changes whenever the surveys do.
SELECT count(*) || '/' || coalesce(max(imported_at)::text, '') AS stamp FROM surface;

-- name: insert_surface
INSERT INTO surface (surface_id, name, space_id, surveyed_at, kind, frame, height_datum, source,
                     file_name, file_sha256, points_format, points, point_count, row_count,
                     column_count, facet_count, area_m2, west, south, east, north, lowest_m,
                     highest_m, report, imported_by)
VALUES (%(surface_id)s, %(name)s, %(space_id)s, %(surveyed_at)s, %(kind)s, %(frame)s,
        %(height_datum)s, %(source)s, %(file_name)s, %(file_sha256)s, %(points_format)s,
        %(points)s, %(point_count)s, %(row_count)s, %(column_count)s, %(facet_count)s, %(area_m2)s,
        %(west)s, %(south)s, %(east)s, %(north)s, %(lowest_m)s, %(highest_m)s, %(report)s,
        %(imported_by)s)
    ON CONFLICT (surface_id) DO NOTHING;

-- name: delete_surface
DELETE FROM surface WHERE surface_id = %(surface)s;
