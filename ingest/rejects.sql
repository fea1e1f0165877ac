-- name: insert_rejected
-- One row for each refused reading or message.
INSERT INTO rejected (received_at, topic, reason, detail, payload, readings)
VALUES (to_timestamp(%(received_s)s), %(topic)s, %(reason)s, %(detail)s, %(payload)s, %(readings)s);
