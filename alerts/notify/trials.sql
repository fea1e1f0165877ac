-- name: ask
INSERT INTO notify_test (by, channel, recipient, called)
VALUES (%(by)s, %(channel)s, %(recipient)s, %(called)s)
RETURNING test_id;

-- name: announce
SELECT pg_notify('blocktwin_notify_test', '');

-- name: due
-- Nobody is told of a test that was asked for long ago.
SELECT test_id, at, by, recipient, called FROM notify_test
 WHERE channel = %(channel)s AND delivered_at IS NULL AND failed_at IS NULL
   AND at > now() - interval '1 hour'
 ORDER BY test_id LIMIT 1;

-- name: delivered
UPDATE notify_test SET delivered_at = now() WHERE test_id = %(test)s;

-- name: failed
UPDATE notify_test SET failed_at = now(), last_error = %(error)s WHERE test_id = %(test)s;

-- name: channels
SELECT channel FROM notify_channel WHERE channel NOT IN ('journal', 'canary') ORDER BY channel;

-- name: waiting
SELECT count(*) FROM notify_test
 WHERE delivered_at IS NULL AND failed_at IS NULL AND at > now() - interval '1 hour';

-- name: results
SELECT test_id, at, by, channel, recipient, called, delivered_at, failed_at, last_error
  FROM notify_test WHERE test_id = ANY(%(tests)s) ORDER BY test_id;
