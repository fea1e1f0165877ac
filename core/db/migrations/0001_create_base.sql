-- The grid and what stands in it, the readings, the rules, the alarms, and the ledgers of ingest.

CREATE EXTENSION IF NOT EXISTS timescaledb;

-- What `blocktwin db upgrade` found out about this store, such as the TimescaleDB edition.
CREATE TABLE store_fact (
    key   text PRIMARY KEY,
    value text NOT NULL
);

-- A node of the containment tree. A changed outline is a new row; the old one keeps its valid_to.
-- Outlines are GeoJSON geometries in EPSG:4490, longitude first.
CREATE TABLE space (
    space_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code       text NOT NULL,
    kind       text NOT NULL
        CHECK (kind IN ('district', 'street', 'community', 'grid', 'block', 'building')),
    name       text NOT NULL,
    name_en    text NOT NULL DEFAULT '',
    parent_id  integer REFERENCES space,
    outline    jsonb NOT NULL,
    height_m   real,
    source     text NOT NULL,
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_to   timestamptz,
    CHECK ((kind = 'district') = (parent_id IS NULL))
);
CREATE UNIQUE INDEX space_code_now ON space (code) WHERE valid_to IS NULL;
CREATE INDEX space_parent ON space (parent_id);

CREATE TABLE gateway (
    gateway_id text PRIMARY KEY CHECK (gateway_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    name       text NOT NULL,
    lon        double precision NOT NULL,
    lat        double precision NOT NULL,
    space_id   integer REFERENCES space,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A device without a space says in placed_how and placed_note why.
CREATE TABLE device (
    device_id   text PRIMARY KEY CHECK (device_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    kind        text NOT NULL,
    field       text NOT NULL CHECK (field IN ('fire', 'water', 'slope', 'traffic')),
    name        text NOT NULL,
    lon         double precision NOT NULL,
    lat         double precision NOT NULL,
    height_m    real,
    address     text NOT NULL DEFAULT '',
    gateway_id  text NOT NULL REFERENCES gateway,
    interval_s  real NOT NULL CHECK (interval_s > 0),
    space_id    integer REFERENCES space,
    placed_how  text NOT NULL CHECK (placed_how IN ('within', 'snapped', 'unplaced')),
    placed_note text NOT NULL DEFAULT '',
    attributes  jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    CHECK ((placed_how = 'unplaced') = (space_id IS NULL))
);
CREATE INDEX device_space ON device (space_id);
CREATE INDEX device_gateway ON device (gateway_id);

-- One device and one quantity. The store, the engine and the twin speak series ids.
CREATE TABLE series (
    series_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id text NOT NULL REFERENCES device,
    quantity  text NOT NULL,
    UNIQUE (device_id, quantity)
);

-- series_id bears no foreign key: a check per row costs more than the row, and the writer only
-- knows series it has read from the table above.
CREATE TABLE reading (
    series_id   integer NOT NULL,
    observed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    value       double precision NOT NULL,
    quality     integer NOT NULL
);
SELECT create_hypertable('reading', by_range('observed_at', INTERVAL '1 day'),
                         create_default_indexes => false);
CREATE UNIQUE INDEX reading_key ON reading (series_id, observed_at);

-- The newest reading of each series by device time; it never moves backwards. Room is left in each
-- page so that an update stays in it and touches no index.
CREATE TABLE latest (
    series_id   integer PRIMARY KEY,
    observed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    value       double precision NOT NULL,
    quality     integer NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE rejected (
    rejected_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    topic       text NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    payload     bytea NOT NULL,
    readings    integer NOT NULL
);
CREATE INDEX rejected_when ON rejected (received_at);

-- Which messages of a gateway's spool are committed: every sequence up to `low`, and those in
-- `above`. A message found here again is a redelivery and counts nowhere a second time.
CREATE TABLE uplink (
    gateway_id text NOT NULL,
    epoch      bigint NOT NULL,
    low        bigint NOT NULL,
    above      bigint[] NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gateway_id, epoch)
);

-- The last word of each gateway's retained status topic.
CREATE TABLE gateway_status (
    gateway_id text PRIMARY KEY,
    online     boolean NOT NULL,
    at         timestamptz NOT NULL,
    report     jsonb NOT NULL
);

-- Every reading received ends stored, rejected or as a duplicate of a stored one; the sums are kept
-- in the transaction that stores, so a kill cannot part them.
CREATE TABLE tally (
    worker_id   text PRIMARY KEY,
    received    bigint NOT NULL DEFAULT 0,
    stored      bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    duplicates  bigint NOT NULL DEFAULT 0,
    redelivered bigint NOT NULL DEFAULT 0,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (received = stored + rejected + duplicates)
);

CREATE TABLE rule (
    rule_id   text NOT NULL,
    version   integer NOT NULL,
    body      jsonb NOT NULL,
    sha256    text NOT NULL,
    active    boolean NOT NULL DEFAULT true,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rule_id, version)
);
CREATE UNIQUE INDEX rule_active ON rule (rule_id) WHERE active;

CREATE TABLE alarm (
    alarm_id        uuid PRIMARY KEY,
    rule_id         text NOT NULL,
    rule_version    integer NOT NULL,
    subject         text NOT NULL,
    device_id       text REFERENCES device,
    gateway_id      text REFERENCES gateway,
    space_id        integer REFERENCES space,
    field           text NOT NULL,
    quantity        text NOT NULL,
    severity        smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
    peak_severity   smallint NOT NULL CHECK (peak_severity BETWEEN severity AND 4),
    state           text NOT NULL CHECK (
        state IN ('unacknowledged', 'acknowledged', 'returned_unacknowledged', 'closed')),
    latch           boolean NOT NULL,
    value           double precision NOT NULL,
    threshold       double precision NOT NULL,
    raised_at       timestamptz NOT NULL,
    detected_at     timestamptz NOT NULL,
    returned_at     timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    closed_at       timestamptz,
    closed_by       text,
    close_cause     text CHECK (close_cause IN ('true', 'false', 'test', 'maintenance', 'returned')),
    occurrences     integer NOT NULL DEFAULT 1,
    last_event_id   bigint NOT NULL,
    FOREIGN KEY (rule_id, rule_version) REFERENCES rule (rule_id, version),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CHECK ((closed_at IS NULL) = (close_cause IS NULL))
);
CREATE UNIQUE INDEX alarm_open ON alarm (rule_id, subject) WHERE closed_at IS NULL;
CREATE INDEX alarm_raised ON alarm (raised_at DESC, alarm_id);
CREATE INDEX alarm_device ON alarm (device_id, raised_at DESC);

-- Every change of an alarm: who, when, why. Also the outbox: event ids are drawn under one
-- transaction-long advisory lock, so their order is the order of commits and a reader that has seen
-- number n has missed none before it.
CREATE TABLE alarm_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm_id uuid NOT NULL REFERENCES alarm DEFERRABLE INITIALLY DEFERRED,
    kind     text NOT NULL CHECK (kind IN (
        'raised', 'escalated', 'eased', 'returned', 'acknowledged', 'commented', 'closed')),
    at       timestamptz NOT NULL,
    event_at timestamptz NOT NULL,
    actor    text NOT NULL,
    severity smallint NOT NULL,
    state    text NOT NULL,
    value    double precision,
    note     text NOT NULL DEFAULT ''
);
CREATE INDEX alarm_event_alarm ON alarm_event (alarm_id, event_id);

-- How far each notification channel has read the events, and the proof of each delivery.
CREATE TABLE notify_channel (
    channel       text PRIMARY KEY,
    last_event_id bigint NOT NULL
);
CREATE TABLE notify_delivery (
    channel      text NOT NULL REFERENCES notify_channel,
    event_id     bigint NOT NULL REFERENCES alarm_event,
    attempts     integer NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    given_up_at  timestamptz,
    last_error   text NOT NULL DEFAULT '',
    PRIMARY KEY (channel, event_id)
);
CREATE INDEX notify_delivery_due ON notify_delivery (next_at)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;
