-- Incidents, what the desk says of each alarm event, and how far it has come.

-- The lock of all who write alarm events, before any table: a worker at its commit has the events and
-- then wants the alarms, and the two would wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('blocktwin.alarm_event', 0));

-- Alarms of one place and time. `fields` are theirs, `field` that of the worst; `space` is the code
-- of the smallest space that holds all of them, `block` the one by which others join (the code of a
-- block, or of what takes its place; a gateway's reference for alarms of the runtime itself).
CREATE TABLE incident (
    incident_id uuid PRIMARY KEY,
    state       text NOT NULL CHECK (state IN ('open', 'closed')),
    severity    smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
    field       text NOT NULL,
    fields      text[] NOT NULL,
    space       text,
    block       text,
    lon         double precision,
    lat         double precision,
    title_zh    text NOT NULL,
    title_en    text NOT NULL,
    opened_at   timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    closed_at   timestamptz,
    alarms      integer NOT NULL,
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
CREATE INDEX incident_opened ON incident (opened_at DESC, incident_id);
CREATE INDEX incident_last ON incident (last_at DESC);

-- An alarm belongs to one incident at most. A table of its own, not a column of `alarm`: joining then
-- takes no lock that an alarm under change would wait for.
CREATE TABLE incident_alarm (
    alarm_id    uuid PRIMARY KEY REFERENCES alarm ON DELETE CASCADE,
    incident_id uuid NOT NULL REFERENCES incident ON DELETE CASCADE,
    joined_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX incident_alarm_incident ON incident_alarm (incident_id);

-- What the notifier does with an alarm event: `tell` it, `digest` it (say it together with others),
-- or `hold` it (nobody needs to hear of it). An event without a row is not yet judged. One that is
-- held with `recheck_at` is looked at again then, and told if it still holds: what flaps is held back
-- and told when it stays. The verdict without `recheck_at` is final. Announced on blocktwin_desk.
CREATE TABLE desk_verdict (
    event_id   bigint PRIMARY KEY REFERENCES alarm_event ON DELETE CASCADE,
    verdict    text NOT NULL CHECK (verdict IN ('tell', 'hold', 'digest')),
    reason     text NOT NULL DEFAULT '',
    decided_at timestamptz NOT NULL DEFAULT now(),
    recheck_at timestamptz
);
CREATE INDEX desk_verdict_recheck ON desk_verdict (recheck_at) WHERE recheck_at IS NOT NULL;

-- How far the desk has read the events: `looked` at for causes and incidents, all `judged` up to.
CREATE TABLE desk_mark (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    looked   bigint NOT NULL,
    judged   bigint NOT NULL CHECK (judged <= looked)
);

-- All alarms of one rule on one subject, for whether a condition flaps; beginnings, for the report.
CREATE INDEX alarm_same ON alarm (rule_id, subject, raised_at DESC);
CREATE INDEX alarm_event_raised ON alarm_event (at) INCLUDE (alarm_id) WHERE kind = 'raised';
