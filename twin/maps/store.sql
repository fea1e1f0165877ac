-- Statements of twin.maps: proposals, the versions made of them, and the map in force as columns.

-- name: spaces_in_force
SELECT s.code, s.kind, s.name, s.name_en, p.code AS parent, s.height_m, s.source, s.frame,
       s.outline::text AS outline
  FROM space s LEFT JOIN space p ON p.space_id = s.parent_id
 WHERE s.valid_to IS NULL ORDER BY s.code;

-- name: insert_proposal
INSERT INTO map_proposal (made_by, note, file, partial, within, against, cells, findings, diff, moves,
                          errors, warnings)
VALUES (%(made_by)s, %(note)s, %(file)s::jsonb, %(partial)s, %(within)s, %(against)s, %(cells)s::jsonb,
        %(findings)s::jsonb, %(diff)s::jsonb, %(moves)s::jsonb, %(errors)s, %(warnings)s)
RETURNING proposal_id;

-- name: proposals
-- The newest first, without what is large.
SELECT proposal_id, state, made_at, made_by, note, file, partial, within, against, errors, warnings,
       diff -> 'counts' AS counts, jsonb_array_length(moves) AS moves, settled_at, settled_by,
       settled_note, version_id, replaced_by, (SELECT max(version_id) FROM map_version) AS in_force
  FROM map_proposal
 WHERE %(state)s::text IS NULL OR state = %(state)s
 ORDER BY proposal_id DESC LIMIT %(limit)s;

-- name: proposal
SELECT proposal_id, state, made_at, made_by, note, file, partial, within, against, errors, warnings,
       findings, diff, moves, settled_at, settled_by, settled_note, version_id, replaced_by,
       (SELECT max(version_id) FROM map_version) AS in_force
  FROM map_proposal WHERE proposal_id = %(id)s;

-- name: proposal_cells
SELECT cells::text FROM map_proposal WHERE proposal_id = %(id)s;

-- name: lock_proposal
SELECT state, against, errors, warnings FROM map_proposal WHERE proposal_id = %(id)s FOR UPDATE;

-- name: settle
UPDATE map_proposal
   SET state = %(state)s, settled_at = now(), settled_by = %(by)s, settled_note = %(note)s,
       version_id = %(version)s, replaced_by = %(replaced_by)s
 WHERE proposal_id = %(id)s;

-- name: versions
-- The newest first, with how much each one changed.
SELECT v.version_id, v.applied_at, v.applied_by, v.source, v.undoes, v.note, p.proposal_id,
       p.file ->> 'name' AS file,
       c.added, c.redrawn, c.corrected, c.gone,
       (SELECT count(*) FROM map_move m WHERE m.version_id = v.version_id) AS moves
  FROM map_version v
  LEFT JOIN map_proposal p ON p.version_id = v.version_id
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE before_id IS NULL) AS added,
              count(*) FILTER (WHERE before_id <> after_id) AS redrawn,
              count(*) FILTER (WHERE before_id = after_id) AS corrected,
              count(*) FILTER (WHERE after_id IS NULL) AS gone
         FROM map_change WHERE version_id = v.version_id) c
 WHERE %(id)s::integer IS NULL OR v.version_id = %(id)s
 ORDER BY v.version_id DESC LIMIT %(limit)s;

-- name: changes
-- What a version did to each code.
SELECT code, before_id, after_id, before, after FROM map_change
 WHERE version_id = %(id)s ORDER BY code;

-- name: moves
SELECT node, node_id, from_code, to_code, how, note FROM map_move
 WHERE version_id = %(id)s ORDER BY node, node_id;

-- name: touched_later
-- Codes of a version that a later one changed, and the first that did.
SELECT late.code, min(late.version_id) AS version_id
  FROM map_change late
 WHERE late.version_id > %(id)s
   AND late.code IN (SELECT code FROM map_change WHERE version_id = %(id)s)
 GROUP BY late.code ORDER BY late.code;

-- name: state_before
-- What was in force of the codes of a version before it, with the outlines.
SELECT c.code, c.before, s.outline::text AS outline
  FROM map_change c LEFT JOIN space s ON s.space_id = c.before_id
 WHERE c.version_id = %(id)s ORDER BY c.code;

-- name: one_snapshot
-- The map and what stands in it are read as of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
