-- The whole life of an alarm: assigned, shelved, suppressed, out of service, its occurrences.

-- The lock of all who write alarm events, before any table: a worker at its commit has the events and
-- then wants the alarms, and the two would wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('blocktwin.alarm_event', 0));

-- hidden: kept from the desk (ISA-18.2: shelved, suppressed by design, out of service); such an alarm
-- goes on being judged. asked_at: since when an acknowledgement is asked for; overdue_at: when it was
-- said that none came. due_at: when time itself does something to the alarm next, null: never.
ALTER TABLE alarm
    ADD COLUMN assigned_to  text,
    ADD COLUMN hidden       text CHECK (hidden IN ('shelved', 'suppressed', 'out_of_service')),
    ADD COLUMN hidden_until timestamptz,
    ADD COLUMN hidden_by    text,
    ADD COLUMN hidden_why   text,
    ADD COLUMN life_safety  boolean NOT NULL DEFAULT false,
    ADD COLUMN advisory     boolean NOT NULL DEFAULT false,
    ADD COLUMN said         jsonb,
    ADD COLUMN ack_within_s double precision,
    ADD COLUMN re_alarm_s   double precision,
    ADD COLUMN asked_at     timestamptz,
    ADD COLUMN overdue_at   timestamptz,
    ADD COLUMN due_at       timestamptz,
    ADD CHECK ((hidden IS NULL) = (hidden_by IS NULL)),
    ADD CHECK ((hidden IS NULL) = (hidden_why IS NULL)),
    ADD CHECK ((hidden IS NOT DISTINCT FROM 'shelved') = (hidden_until IS NOT NULL)),
    ADD CHECK (closed_at IS NULL OR (hidden IS NULL AND due_at IS NULL));
-- Written anew, not updated: several times as fast where there are many, and no dead rows are left.
ALTER TABLE alarm
    ALTER COLUMN asked_at TYPE timestamptz USING coalesce(returned_at, detected_at),
    ALTER COLUMN asked_at SET NOT NULL;
CREATE INDEX alarm_due ON alarm (due_at) WHERE due_at IS NOT NULL;

-- event_key: names an event for ever, also where it is told before it is stored; that of the engine's
-- events is computed from what they say. hidden: as after the event. about: what a person's action
-- names: to whom, until when, by what, which work order, which cause.
ALTER TABLE alarm_event
    ADD COLUMN event_key uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN hidden    text,
    ADD COLUMN about     text NOT NULL DEFAULT '',
    DROP CONSTRAINT alarm_event_kind_check,
    ADD CONSTRAINT alarm_event_kind_check CHECK (kind IN (
        'raised', 'escalated', 'eased', 'returned', 'acknowledged', 'commented', 'closed',
        'assigned', 'shelved', 'unshelved', 'suppressed', 'unsuppressed', 'out_of_service',
        'in_service', 'overdue', 're_alarmed'));
CREATE UNIQUE INDEX alarm_event_key ON alarm_event (event_key);

-- Every time that the condition of an alarm began; severity is the worst it reached, value the one
-- that reached it. Without returned_at it goes on, or was overtaken by the next without an end.
CREATE TABLE alarm_occurrence (
    alarm_id    uuid NOT NULL,
    number      integer NOT NULL CHECK (number >= 1),
    onset_at    timestamptz NOT NULL,
    detected_at timestamptz NOT NULL,
    returned_at timestamptz,
    severity    smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
    value       double precision NOT NULL,
    threshold   double precision NOT NULL,
    PRIMARY KEY (alarm_id, number)
);

-- The occurrences of alarms that are there already, as far as their events tell. What they refer to is
-- checked at once afterwards, not row by row.
SET LOCAL work_mem = '64MB';
WITH told AS (
    SELECT event_id, alarm_id, kind, at, event_at, severity, value,
           count(*) FILTER (WHERE kind = 'raised') OVER (
               PARTITION BY alarm_id ORDER BY event_id) AS number
      FROM alarm_event
     WHERE kind IN ('raised', 'escalated', 'eased', 'returned')
), worst AS (
    SELECT DISTINCT ON (alarm_id, number) alarm_id, number, severity, value
      FROM told WHERE kind IN ('raised', 'escalated') AND number > 0
     ORDER BY alarm_id, number, severity DESC, event_id
), stretch AS (
    SELECT alarm_id, number, min(event_at) FILTER (WHERE kind = 'raised') AS onset_at,
           min(at) FILTER (WHERE kind = 'raised') AS detected_at,
           min(event_at) FILTER (WHERE kind = 'returned') AS returned_at
      FROM told WHERE number > 0 GROUP BY alarm_id, number
)
INSERT INTO alarm_occurrence
SELECT s.alarm_id, s.number, s.onset_at, s.detected_at, s.returned_at, w.severity,
       coalesce(w.value, a.value), a.threshold
  FROM stretch s JOIN worst w USING (alarm_id, number) JOIN alarm a USING (alarm_id);
ALTER TABLE alarm_occurrence
    ADD FOREIGN KEY (alarm_id) REFERENCES alarm DEFERRABLE INITIALLY DEFERRED;
