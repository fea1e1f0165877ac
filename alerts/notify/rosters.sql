-- name: rosters
SELECT roster_id, name_zh, name_en, space, level, fields, min_severity, contacts, shifts, changed_at,
       changed_by
  FROM roster ORDER BY roster_id LIMIT %(limit)s;

-- name: set_roster
INSERT INTO roster (roster_id, name_zh, name_en, space, level, fields, min_severity, contacts, shifts,
                    changed_by)
VALUES (%(roster_id)s, %(name_zh)s, %(name_en)s, %(space)s, %(level)s, %(fields)s, %(min_severity)s,
        %(contacts)s, %(shifts)s, %(by)s)
ON CONFLICT (roster_id) DO UPDATE
   SET name_zh = excluded.name_zh, name_en = excluded.name_en, space = excluded.space,
       level = excluded.level, fields = excluded.fields, min_severity = excluded.min_severity,
       contacts = excluded.contacts, shifts = excluded.shifts, changed_at = now(),
       changed_by = excluded.changed_by;

-- name: remove_roster
DELETE FROM roster WHERE roster_id = %(roster)s RETURNING roster_id;

-- name: space_now
SELECT 1 FROM space WHERE code = %(space)s AND valid_to IS NULL;

-- name: channels
SELECT channel FROM notify_channel ORDER BY channel;

-- name: count
SELECT count(*) FROM roster;

-- name: announce
-- The notifier reads the rosters anew.
SELECT pg_notify('blocktwin_roster', %(roster)s::text);
