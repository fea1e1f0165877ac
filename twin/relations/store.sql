-- Statements of twin.relations: replace a named set, and read what is in force now or was then.

-- name: lock
-- One import at a time: two at once could close a circle that neither of them sees.
SELECT pg_advisory_xact_lock(hashtext('blocktwin relations'));

-- name: known
-- Which of these devices, gateways and spaces exist.
SELECT 'device' AS sort, device_id AS id FROM device WHERE device_id = ANY(%(device)s)
UNION ALL
SELECT 'gateway', gateway_id FROM gateway WHERE gateway_id = ANY(%(gateway)s)
UNION ALL
SELECT 'space', code FROM space WHERE code = ANY(%(space)s) AND valid_to IS NULL;

-- name: set_in_force
SELECT set_id, kind, source, by, valid_from FROM relation_set
 WHERE name = %(name)s AND valid_to IS NULL;

-- name: other_nodes
-- Network nodes of the other sets, of every kind: an id is one node in the whole store.
SELECT n.node_id, s.name
  FROM network_node n JOIN relation_set s USING (set_id)
 WHERE s.valid_to IS NULL AND s.name <> %(name)s;

-- name: other_edges
SELECT r.upstream, r.downstream, s.name
  FROM relation r JOIN relation_set s USING (set_id)
 WHERE s.valid_to IS NULL AND s.name <> %(name)s AND s.kind = %(kind)s;

-- name: leaning
-- Nodes of this set that edges of other sets lead to or from, and such a set.
WITH own AS (
    SELECT 'node:' || n.node_id AS ref, n.node_id
      FROM network_node n JOIN relation_set s USING (set_id)
     WHERE s.name = %(name)s AND s.valid_to IS NULL
), others AS (
    SELECT r.upstream AS ref, s.name FROM relation r JOIN relation_set s USING (set_id)
     WHERE s.valid_to IS NULL AND s.name <> %(name)s
    UNION
    SELECT r.downstream, s.name FROM relation r JOIN relation_set s USING (set_id)
     WHERE s.valid_to IS NULL AND s.name <> %(name)s
)
SELECT own.node_id, min(others.name) FROM own JOIN others USING (ref) GROUP BY own.node_id;

-- name: nodes_of
SELECT node_id, sort, name, lon, lat FROM network_node WHERE set_id = %(set)s;

-- name: edges_of
SELECT upstream, downstream, name FROM relation WHERE set_id = %(set)s;

-- name: end_set
UPDATE relation_set SET valid_to = greatest(now(), valid_from)
 WHERE name = %(name)s AND valid_to IS NULL;

-- name: insert_set
INSERT INTO relation_set (name, kind, source, by)
VALUES (%(name)s, %(kind)s, %(source)s, %(by)s) RETURNING set_id;

-- name: insert_nodes
INSERT INTO network_node (set_id, node_id, sort, name, lon, lat)
SELECT %(set)s, n.node_id, n.sort, n.name, n.lon, n.lat
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(
           node_id text, sort text, name text, lon double precision, lat double precision);

-- name: insert_edges
INSERT INTO relation (set_id, upstream, downstream, name)
SELECT %(set)s, n.upstream, n.downstream, n.name
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(upstream text, downstream text, name text);

-- name: announce
SELECT pg_notify('blocktwin_registry', '');

-- name: device_places
-- Where the devices of a field stand, for ends of lines to meet them.
SELECT device_id, lon, lat FROM device WHERE field = ANY(%(fields)s) ORDER BY device_id;

-- name: sets
-- The sets in force at a time (null: now), with how much they hold.
SELECT s.set_id, s.name, s.kind, s.source, s.by, s.valid_from, s.valid_to,
       (SELECT count(*) FROM network_node n WHERE n.set_id = s.set_id) AS nodes,
       (SELECT count(*) FROM relation r WHERE r.set_id = s.set_id) AS edges
  FROM relation_set s
 WHERE (%(kind)s::text IS NULL OR s.kind = %(kind)s)
   AND CASE WHEN %(at)s::timestamptz IS NULL THEN s.valid_to IS NULL
            ELSE s.valid_from <= %(at)s AND (s.valid_to IS NULL OR s.valid_to > %(at)s) END
 ORDER BY s.name;

-- name: set_ids
SELECT set_id FROM relation_set
 WHERE kind = %(kind)s
   AND CASE WHEN %(at)s::timestamptz IS NULL THEN valid_to IS NULL
            ELSE valid_from <= %(at)s AND (valid_to IS NULL OR valid_to > %(at)s) END
 ORDER BY set_id;

-- name: edges_of_sets
SELECT upstream, downstream FROM relation WHERE set_id = ANY(%(sets)s)
 ORDER BY upstream, downstream;

-- name: gateway_edges
-- Who reported through whom; derived, never stored.
SELECT 'gateway:' || gateway_id AS upstream, 'device:' || device_id AS downstream
  FROM device_place
 WHERE CASE WHEN %(at)s::timestamptz IS NULL THEN to_at IS NULL
            ELSE (from_at IS NULL OR from_at <= %(at)s) AND (to_at IS NULL OR to_at > %(at)s) END
   AND (%(node)s::text IS NULL OR 'gateway:' || gateway_id = %(node)s
        OR 'device:' || device_id = %(node)s)
 ORDER BY 1, 2;

-- name: relations
-- A page of stored relations, in order; those that touch a node, or all.
SELECT s.kind, s.name AS set, r.upstream AS "from", r.downstream AS "to", r.name
  FROM relation r JOIN relation_set s USING (set_id)
 WHERE (%(kind)s::text IS NULL OR s.kind = %(kind)s)
   AND (%(set)s::text IS NULL OR s.name = %(set)s)
   AND (%(node)s::text IS NULL OR r.upstream = %(node)s OR r.downstream = %(node)s)
   AND CASE WHEN %(at)s::timestamptz IS NULL THEN s.valid_to IS NULL
            ELSE s.valid_from <= %(at)s AND (s.valid_to IS NULL OR s.valid_to > %(at)s) END
   AND (%(after_from)s::text IS NULL
        OR (r.upstream, r.downstream, s.name) > (%(after_from)s, %(after_to)s, %(after_set)s))
 ORDER BY r.upstream, r.downstream, s.name
 LIMIT %(limit)s;

-- name: places
-- Where nodes are, and what they are called; devices at their place of then.
SELECT 'device:' || d.device_id AS node, p.lon, p.lat, d.name, d.kind AS sort, NULL AS outline
  FROM device d JOIN device_place p USING (device_id)
 WHERE d.device_id = ANY(%(device)s)
   AND CASE WHEN %(at)s::timestamptz IS NULL THEN p.to_at IS NULL
            ELSE (p.from_at IS NULL OR p.from_at <= %(at)s)
                 AND (p.to_at IS NULL OR p.to_at > %(at)s) END
UNION ALL
SELECT 'gateway:' || gateway_id, lon, lat, name, 'gateway', NULL
  FROM gateway WHERE gateway_id = ANY(%(gateway)s)
UNION ALL
SELECT DISTINCT ON (code) 'space:' || code, NULL, NULL, name, kind, outline::text
  FROM space WHERE code = ANY(%(space)s)
   AND (%(at)s::timestamptz IS NULL OR valid_to IS NULL OR valid_to > %(at)s)
   AND (%(at)s::timestamptz IS NOT NULL OR valid_to IS NULL)
UNION ALL
SELECT 'node:' || n.node_id, n.lon, n.lat, n.name, n.sort, NULL
  FROM network_node n JOIN relation_set s USING (set_id)
 WHERE n.node_id = ANY(%(node)s)
   AND CASE WHEN %(at)s::timestamptz IS NULL THEN s.valid_to IS NULL
            ELSE s.valid_from <= %(at)s AND (s.valid_to IS NULL OR s.valid_to > %(at)s) END;
