-- Statements of twin.versions: bring spaces into force as a version of the map, place what stands in it.

-- name: lock
-- One change at a time: two that run at once would both open a new version of the same space.
SELECT pg_advisory_xact_lock(hashtext('blocktwin district'));

-- name: moment
-- When what is done under the lock counts from: the beginning of the transaction, unless it had to
-- wait for another; then after what that one did.
SELECT greatest(now(), (SELECT max(applied_at) + interval '1 microsecond' FROM map_version)) AS at;

-- name: sign
-- The history of a device's places takes its reason and author from here.
SELECT set_config('blocktwin.reason', %(reason)s, true), set_config('blocktwin.by', %(by)s, true);

-- name: newest_version
SELECT max(version_id) FROM map_version;

-- name: compare
-- What is in force of the given codes, and in what it differs: the outline or the place in the tree
-- makes a new version, words are corrected in place.
SELECT s.code, s.space_id,
       s.outline <> n.outline OR s.kind <> n.kind OR p.code IS DISTINCT FROM n.parent AS redrawn,
       (s.name, s.name_en, s.height_m, s.source, s.frame)
           IS DISTINCT FROM (n.name, n.name_en, n.height_m, n.source, n.frame) AS corrected,
       jsonb_build_object('kind', s.kind, 'name', s.name, 'name_en', s.name_en, 'parent', p.code,
                          'height_m', s.height_m, 'source', s.source, 'frame', s.frame) AS facts
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           code text, kind text, name text, name_en text, parent text, outline jsonb,
           height_m real, source text, frame text)
  JOIN space s ON s.code = n.code AND s.valid_to IS NULL
  LEFT JOIN space p ON p.space_id = s.parent_id;

-- name: in_force
-- The spaces in force of the given codes, with all but their outlines.
SELECT s.code, s.space_id,
       jsonb_build_object('kind', s.kind, 'name', s.name, 'name_en', s.name_en, 'parent', p.code,
                          'height_m', s.height_m, 'source', s.source, 'frame', s.frame) AS facts
  FROM space s LEFT JOIN space p ON p.space_id = s.parent_id
 WHERE s.valid_to IS NULL AND s.code = ANY(%(codes)s);

-- name: end_spaces
-- The old version stays, so an alarm of then still lies in the outline of then.
UPDATE space SET valid_to = %(at)s WHERE space_id = ANY(%(ids)s);

-- name: correct_spaces
UPDATE space s
   SET name = n.name, name_en = n.name_en, height_m = n.height_m, source = n.source,
       frame = n.frame
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           code text, name text, name_en text, height_m real, source text, frame text)
 WHERE s.code = n.code AND s.valid_to IS NULL;

-- name: insert_spaces
-- One level of the tree; its parents are there already.
INSERT INTO space (code, kind, name, name_en, parent_id, outline, height_m, source, frame,
                   valid_from)
SELECT n.code, n.kind, n.name, n.name_en, p.space_id, n.outline, n.height_m, n.source, n.frame,
       %(at)s
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           code text, kind text, name text, name_en text, parent text, outline jsonb,
           height_m real, source text, frame text)
  LEFT JOIN space p ON p.code = n.parent AND p.valid_to IS NULL;

-- name: adopt_children
-- Spaces in force whose parent has ended move to the parent's new version.
UPDATE space child
   SET parent_id = now_in_force.space_id
  FROM space ended
  JOIN space now_in_force ON now_in_force.code = ended.code AND now_in_force.valid_to IS NULL
 WHERE child.parent_id = ended.space_id AND child.valid_to IS NULL AND ended.valid_to IS NOT NULL;

-- name: orphans
-- Spaces in force whose parent is in force no longer.
SELECT child.code, ended.code
  FROM space child JOIN space ended ON ended.space_id = child.parent_id
 WHERE child.valid_to IS NULL AND ended.valid_to IS NOT NULL
 ORDER BY child.code;

-- name: misplaced
-- Spaces in force whose parent is of their own level or a deeper one; the levels are in the order of
-- the tree.
SELECT child.code, child.kind, parent.code, parent.kind
  FROM space child JOIN space parent ON parent.space_id = child.parent_id
 WHERE child.valid_to IS NULL
   AND array_position(%(levels)s::text[], child.kind)
       <= array_position(%(levels)s::text[], parent.kind)
 ORDER BY child.code;

-- name: spaces_in_force
SELECT code, kind, outline::text FROM space WHERE valid_to IS NULL ORDER BY code;

-- name: standing_devices
-- Where all devices, or those named, stand and belong; `ended` when their space is in force no more.
SELECT d.device_id, d.lon, d.lat, s.code, d.placed_how, d.placed_note, s.valid_to IS NOT NULL
  FROM device d LEFT JOIN space s USING (space_id)
 WHERE %(ids)s::text[] IS NULL OR d.device_id = ANY(%(ids)s) ORDER BY d.device_id;

-- name: standing_gateways
SELECT g.gateway_id, g.lon, g.lat, s.code, '', '', s.valid_to IS NOT NULL
  FROM gateway g LEFT JOIN space s USING (space_id)
 WHERE %(ids)s::text[] IS NULL OR g.gateway_id = ANY(%(ids)s) ORDER BY g.gateway_id;

-- name: join_in_bulk
-- A store that was filled a moment ago has no statistics, and twenty thousand rows joined one by one
-- with as many take minutes; joined by hash, milliseconds whatever the planner believes.
SET LOCAL enable_nestloop = off;

-- name: join_as_usual
SET LOCAL enable_nestloop TO DEFAULT;

-- name: place_devices
UPDATE device d
   SET space_id = s.space_id, placed_how = n.how, placed_note = n.note
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(id text, code text, how text, note text)
  LEFT JOIN space s ON s.code = n.code AND s.valid_to IS NULL
 WHERE d.device_id = n.id;

-- name: place_gateways
UPDATE gateway g
   SET space_id = s.space_id
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(id text, code text)
  LEFT JOIN space s ON s.code = n.code AND s.valid_to IS NULL
 WHERE g.gateway_id = n.id;

-- name: insert_version
INSERT INTO map_version (version_id, applied_at, applied_by, source, undoes, note)
SELECT coalesce(max(version_id), 0) + 1, %(at)s, %(by)s, %(source)s, %(undoes)s, %(note)s
  FROM map_version
RETURNING version_id;

-- name: insert_changes
INSERT INTO map_change (version_id, code, before_id, after_id, before, after)
SELECT %(version)s, n.code, n.before_id, s.space_id, n.before,
       CASE WHEN s.space_id IS NOT NULL THEN
       jsonb_build_object('kind', s.kind, 'name', s.name, 'name_en', s.name_en, 'parent', p.code,
                          'height_m', s.height_m, 'source', s.source, 'frame', s.frame) END
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(code text, before_id integer, before jsonb)
  LEFT JOIN space s ON s.code = n.code AND s.valid_to IS NULL
  LEFT JOIN space p ON p.space_id = s.parent_id;

-- name: insert_moves
INSERT INTO map_move (version_id, node, node_id, from_code, to_code, how, note)
SELECT %(version)s, n.node, n.node_id, n.from_code, n.to_code, n.how, n.note
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           node text, node_id text, from_code text, to_code text, how text, note text);

-- name: announce
-- Workers and the API read the registry again; it is delivered with the commit.
SELECT pg_notify('blocktwin_registry', '');
