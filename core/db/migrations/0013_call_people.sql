-- Rosters, calls until somebody answers, and what became of every delivery.

-- recipient: '' is the channel's own; step: 0 as it happens, from 1 on a call of the escalation.
-- called: who that is, of which roster and level. urgent: of life safety, so neither waited for nor
-- counted against the recipient's cap. early: told before the event was stored. A delivery ends as
-- delivered, given up, withheld (with a reason) or told in a digest.
ALTER TABLE notify_delivery
    ADD COLUMN recipient    text NOT NULL DEFAULT '',
    ADD COLUMN step         smallint NOT NULL DEFAULT 0 CHECK (step >= 0),
    ADD COLUMN called       jsonb,
    ADD COLUMN urgent       boolean NOT NULL DEFAULT false,
    ADD COLUMN early        boolean NOT NULL DEFAULT false,
    ADD COLUMN withheld_at  timestamptz,
    ADD COLUMN withheld_why text NOT NULL DEFAULT '',
    ADD COLUMN folded_at    timestamptz,
    ADD COLUMN digest_id    bigint,
    DROP CONSTRAINT notify_delivery_pkey,
    ADD PRIMARY KEY (channel, event_id, recipient, step);

DROP INDEX notify_delivery_due;
CREATE INDEX notify_delivery_open ON notify_delivery (channel, urgent DESC, event_id)
    WHERE delivered_at IS NULL AND given_up_at IS NULL AND withheld_at IS NULL
          AND folded_at IS NULL;
CREATE INDEX notify_delivery_folded ON notify_delivery (channel, recipient)
    WHERE folded_at IS NOT NULL AND digest_id IS NULL;
CREATE INDEX notify_delivery_lately ON notify_delivery (channel, recipient, delivered_at)
    WHERE delivered_at IS NOT NULL AND NOT urgent;
CREATE INDEX notify_delivery_event ON notify_delivery (event_id);

-- One message for what was beyond a recipient's cap.
CREATE TABLE notify_digest (
    digest_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel      text NOT NULL REFERENCES notify_channel,
    recipient    text NOT NULL,
    events       integer NOT NULL CHECK (events > 0),
    made_at      timestamptz NOT NULL DEFAULT now(),
    attempts     integer NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    given_up_at  timestamptz,
    last_error   text NOT NULL DEFAULT ''
);
CREATE INDEX notify_digest_last ON notify_digest (channel, recipient, made_at);
CREATE INDEX notify_digest_open ON notify_digest (channel)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;

-- A message that only asks whether the way is open; asked for through the API, sent by the notifier.
CREATE TABLE notify_test (
    test_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    by           text NOT NULL CHECK (length(by) BETWEEN 1 AND 200),
    channel      text NOT NULL REFERENCES notify_channel,
    recipient    text NOT NULL DEFAULT '',
    called       jsonb,
    delivered_at timestamptz,
    failed_at    timestamptz,
    last_error   text NOT NULL DEFAULT ''
);
CREATE INDEX notify_test_open ON notify_test (channel)
    WHERE delivered_at IS NULL AND failed_at IS NULL;

-- Who is called for what happens in a space or below it. Levels, lowest first: for fire
-- micro_station, squadron, brigade; for the other fields community, street, district.
-- contacts: [{name, channel, address}]; shifts: [{days, begin, end, contacts}], none: always all.
CREATE TABLE roster (
    roster_id    text PRIMARY KEY CHECK (roster_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    name_zh      text NOT NULL CHECK (name_zh <> ''),
    name_en      text NOT NULL CHECK (name_en <> ''),
    space        text NOT NULL CHECK (length(space) BETWEEN 1 AND 64),
    level        text NOT NULL CHECK (level IN (
        'micro_station', 'squadron', 'brigade', 'community', 'street', 'district')),
    fields       text[] NOT NULL DEFAULT '{}',
    min_severity smallint NOT NULL DEFAULT 3 CHECK (min_severity BETWEEN 1 AND 4),
    contacts     jsonb NOT NULL,
    shifts       jsonb NOT NULL DEFAULT '[]',
    changed_at   timestamptz NOT NULL DEFAULT now(),
    changed_by   text NOT NULL CHECK (length(changed_by) BETWEEN 1 AND 200)
);
CREATE INDEX roster_space ON roster (space);

-- One row a step of an escalation: asked_at is since when an acknowledgement is asked for, so an
-- alarm that comes back begins anew. called: [{roster, level, name, channel}]; note: who was left out
-- and why.
CREATE TABLE notify_escalation (
    alarm_id uuid NOT NULL REFERENCES alarm,
    asked_at timestamptz NOT NULL,
    step     smallint NOT NULL CHECK (step >= 1),
    at       timestamptz NOT NULL,
    level    text NOT NULL,
    called   jsonb NOT NULL,
    note     text NOT NULL DEFAULT '',
    next_at  timestamptz,
    PRIMARY KEY (alarm_id, asked_at, step)
);

-- The alarm of a gateway whose canary fails to come is raised by the notifier, not by the engine: it
-- must come when the engine is dead. No rule file has it, so it is never active.
INSERT INTO rule (rule_id, version, body, sha256, active) VALUES ('canary-late', 1, '{
    "id": "canary-late", "type": "missing", "field": "system",
    "name": {"zh": "巡检信号中断", "en": "Canary overdue"},
    "advice": {"zh": "检查网关、消息服务、接入进程与数据库：该网关的报警可能到不了",
               "en": "Check gateway, broker, worker and database: alarms of this gateway may not arrive"},
    "select": {"kind": [], "quantity": "canary", "space": [], "tags": [], "device": []},
    "levels": [{"severity": "orange", "raise": null, "clear": null}],
    "source": "editable seed: [notify] canary_late_s"}', '', false);
