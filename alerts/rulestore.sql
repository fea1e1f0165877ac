-- name: lock_rules
-- Two workers that start at once must not both write a new version.
SELECT pg_advisory_xact_lock(hashtextextended('blocktwin.rules', 0));

-- name: active_rules
SELECT rule_id, version, sha256, body FROM rule WHERE active ORDER BY rule_id;

-- name: last_files
-- The digest of the rule files that a start loaded last.
SELECT files FROM rule_load WHERE files IS NOT NULL ORDER BY load_id DESC LIMIT 1;

-- name: add_load
INSERT INTO rule_load (author, note, files) VALUES (%(author)s, %(note)s, %(files)s)
RETURNING load_id;

-- name: retire_rules
UPDATE rule SET active = false, ended_by = %(load)s WHERE active AND rule_id = ANY(%(rules)s);

-- name: add_rule
INSERT INTO rule (rule_id, version, body, sha256, load_id)
SELECT %(rule)s, coalesce(max(version), 0) + 1, %(body)s, %(sha256)s, %(load)s
  FROM rule WHERE rule_id = %(rule)s
RETURNING version;

-- name: announce
SELECT pg_notify('blocktwin_rules', %(what)s);

-- name: listed
-- The rules in force with who loaded them, and how many devices have something else.
SELECT r.rule_id, r.version, r.body, r.loaded_at, coalesce(l.author, '') AS loaded_by,
       coalesce(l.note, '') AS note,
       (SELECT count(*) FROM rule_override o
         WHERE o.rule_id = r.rule_id AND o.ended_at IS NULL AND (o.until IS NULL OR o.until > now())
       ) AS overrides
  FROM rule r
  LEFT JOIN rule_load l USING (load_id)
 WHERE r.active
 ORDER BY r.rule_id;

-- name: history
-- Versions, the newest first: of one rule, or of all.
SELECT r.rule_id, r.version, r.active, r.body, r.loaded_at, coalesce(b.author, '') AS loaded_by,
       coalesce(b.note, '') AS note, e.at AS ended_at, coalesce(e.author, '') AS ended_by,
       coalesce(e.note, '') AS ended_note
  FROM rule r
  LEFT JOIN rule_load b USING (load_id)
  LEFT JOIN rule_load e ON e.load_id = r.ended_by
 WHERE %(rule)s::text IS NULL OR r.rule_id = %(rule)s
 ORDER BY r.loaded_at DESC, r.rule_id, r.version DESC
 LIMIT %(limit)s;
