-- name: gateways
-- Gateways that have a canary, and when the last one of each was heard: event time of the newest
-- canary that travelled all the way, but never later than it came (a device's clock may be ahead);
-- null if none has come.
SELECT d.gateway_id, min(d.device_id) AS device_id,
       (SELECT max(least(e.event_at, e.at)) FROM alarm a JOIN alarm_event e USING (alarm_id)
         WHERE a.rule_id = 'canary' AND a.gateway_id = d.gateway_id AND e.kind = 'raised') AS heard_at
  FROM series s JOIN device d USING (device_id)
 WHERE s.quantity = 'canary'
 GROUP BY d.gateway_id ORDER BY d.gateway_id LIMIT %(most)s;

-- name: late_open
SELECT subject FROM alarm
 WHERE rule_id = 'canary-late' AND closed_at IS NULL AND returned_at IS NULL;

-- name: lock
SELECT pg_try_advisory_lock(hashtextextended('blocktwin.canary', 0));

-- name: past
-- Alarms of canaries that are over and old.
SELECT alarm_id FROM alarm
 WHERE rule_id = 'canary' AND closed_at < now() - make_interval(secs => %(keep_s)s)
 ORDER BY closed_at LIMIT %(batch)s;

-- name: forget_deliveries
DELETE FROM notify_delivery
 WHERE event_id IN (SELECT event_id FROM alarm_event WHERE alarm_id = ANY(%(alarms)s));

-- name: forget_calls
DELETE FROM notify_escalation WHERE alarm_id = ANY(%(alarms)s);

-- name: forget_occurrences
DELETE FROM alarm_occurrence WHERE alarm_id = ANY(%(alarms)s);

-- name: forget_events
DELETE FROM alarm_event WHERE alarm_id = ANY(%(alarms)s);

-- name: forget_alarms
DELETE FROM alarm WHERE alarm_id = ANY(%(alarms)s);

-- name: register
-- The canary of a device; nothing happens where it has one.
INSERT INTO series (device_id, quantity) SELECT device_id, 'canary' FROM device
 WHERE device_id = %(device)s
ON CONFLICT (device_id, quantity) DO NOTHING;

-- name: gateway_of
SELECT gateway_id FROM device WHERE device_id = %(device)s;

-- name: announce_registry
-- Workers and the API read the registry anew.
SELECT pg_notify('blocktwin_registry', '');
