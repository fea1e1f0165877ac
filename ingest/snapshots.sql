-- name: newest
SELECT body FROM engine_state WHERE worker_id = %(worker)s AND format = %(format)s;

-- name: save
INSERT INTO engine_state (worker_id, taken_at, format, body)
VALUES (%(worker)s, to_timestamp(%(taken_s)s), %(format)s, %(body)s)
ON CONFLICT (worker_id) DO UPDATE
   SET taken_at = excluded.taken_at, saved_at = now(), format = excluded.format,
       body = excluded.body;
