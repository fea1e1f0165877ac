-- name: copy_rejected
-- One row for each refused reading or message.
COPY rejected (received_at, topic, reason, detail, payload, readings, content_type, device, quantity)
FROM STDIN;
