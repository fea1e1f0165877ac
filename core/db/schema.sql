-- The schema as all migrations leave it, for reading; the migrations make it.
-- Written by: blocktwin db schema > core/db/schema.sql

CREATE TABLE alarm (
    alarm_id uuid NOT NULL,
    rule_id text NOT NULL,
    rule_version integer NOT NULL,
    subject text NOT NULL,
    device_id text,
    gateway_id text,
    space_id integer,
    field text NOT NULL,
    quantity text NOT NULL,
    severity smallint NOT NULL,
    peak_severity smallint NOT NULL,
    state text NOT NULL,
    latch boolean NOT NULL,
    value double precision NOT NULL,
    threshold double precision NOT NULL,
    raised_at timestamp with time zone NOT NULL,
    detected_at timestamp with time zone NOT NULL,
    returned_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    closed_at timestamp with time zone,
    closed_by text,
    close_cause text,
    occurrences integer NOT NULL DEFAULT 1,
    last_event_id bigint NOT NULL,
    CONSTRAINT alarm_pkey PRIMARY KEY (alarm_id),
    CONSTRAINT alarm_check CHECK (((peak_severity >= severity) AND (peak_severity <= 4))),
    CONSTRAINT alarm_check1 CHECK (((state = 'closed'::text) = (closed_at IS NOT NULL))),
    CONSTRAINT alarm_check2 CHECK (((closed_at IS NULL) = (close_cause IS NULL))),
    CONSTRAINT alarm_close_cause_check CHECK ((close_cause = ANY (ARRAY['true'::text, 'false'::text, 'test'::text, 'maintenance'::text, 'returned'::text]))),
    CONSTRAINT alarm_device_id_fkey FOREIGN KEY (device_id) REFERENCES device(device_id),
    CONSTRAINT alarm_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(gateway_id),
    CONSTRAINT alarm_rule_id_rule_version_fkey FOREIGN KEY (rule_id, rule_version) REFERENCES rule(rule_id, version),
    CONSTRAINT alarm_severity_check CHECK (((severity >= 1) AND (severity <= 4))),
    CONSTRAINT alarm_space_id_fkey FOREIGN KEY (space_id) REFERENCES space(space_id),
    CONSTRAINT alarm_state_check CHECK ((state = ANY (ARRAY['unacknowledged'::text, 'acknowledged'::text, 'returned_unacknowledged'::text, 'closed'::text])))
);
CREATE INDEX alarm_device ON alarm USING btree (device_id, raised_at DESC);
CREATE UNIQUE INDEX alarm_open ON alarm USING btree (rule_id, subject) WHERE (closed_at IS NULL);
CREATE INDEX alarm_raised ON alarm USING btree (raised_at DESC, alarm_id);

CREATE TABLE alarm_event (
    event_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    alarm_id uuid NOT NULL,
    kind text NOT NULL,
    at timestamp with time zone NOT NULL,
    event_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    severity smallint NOT NULL,
    state text NOT NULL,
    value double precision,
    note text NOT NULL DEFAULT ''::text,
    CONSTRAINT alarm_event_pkey PRIMARY KEY (event_id),
    CONSTRAINT alarm_event_alarm_id_fkey FOREIGN KEY (alarm_id) REFERENCES alarm(alarm_id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT alarm_event_kind_check CHECK ((kind = ANY (ARRAY['raised'::text, 'escalated'::text, 'eased'::text, 'returned'::text, 'acknowledged'::text, 'commented'::text, 'closed'::text])))
);
CREATE INDEX alarm_event_alarm ON alarm_event USING btree (alarm_id, event_id);

CREATE TABLE device (
    device_id text NOT NULL,
    kind text NOT NULL,
    field text NOT NULL,
    name text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    height_m real,
    address text NOT NULL DEFAULT ''::text,
    gateway_id text NOT NULL,
    interval_s real NOT NULL,
    space_id integer,
    placed_how text NOT NULL,
    placed_note text NOT NULL DEFAULT ''::text,
    attributes jsonb NOT NULL DEFAULT '{}'::jsonb,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT device_pkey PRIMARY KEY (device_id),
    CONSTRAINT device_check CHECK (((placed_how = 'unplaced'::text) = (space_id IS NULL))),
    CONSTRAINT device_device_id_check CHECK ((device_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'::text)),
    CONSTRAINT device_field_check CHECK ((field = ANY (ARRAY['fire'::text, 'water'::text, 'slope'::text, 'traffic'::text]))),
    CONSTRAINT device_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(gateway_id),
    CONSTRAINT device_interval_s_check CHECK ((interval_s > (0)::double precision)),
    CONSTRAINT device_placed_how_check CHECK ((placed_how = ANY (ARRAY['within'::text, 'snapped'::text, 'unplaced'::text]))),
    CONSTRAINT device_space_id_fkey FOREIGN KEY (space_id) REFERENCES space(space_id)
);
CREATE INDEX device_gateway ON device USING btree (gateway_id);
CREATE INDEX device_space ON device USING btree (space_id);

CREATE TABLE gateway (
    gateway_id text NOT NULL,
    name text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    space_id integer,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT gateway_pkey PRIMARY KEY (gateway_id),
    CONSTRAINT gateway_gateway_id_check CHECK ((gateway_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'::text)),
    CONSTRAINT gateway_space_id_fkey FOREIGN KEY (space_id) REFERENCES space(space_id)
);

CREATE TABLE gateway_status (
    gateway_id text NOT NULL,
    online boolean NOT NULL,
    at timestamp with time zone NOT NULL,
    report jsonb NOT NULL,
    CONSTRAINT gateway_status_pkey PRIMARY KEY (gateway_id)
);

CREATE TABLE latest (
    series_id integer NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    value double precision NOT NULL,
    quality integer NOT NULL,
    CONSTRAINT latest_pkey PRIMARY KEY (series_id)
) WITH (fillfactor=50);

CREATE TABLE notify_channel (
    channel text NOT NULL,
    last_event_id bigint NOT NULL,
    CONSTRAINT notify_channel_pkey PRIMARY KEY (channel)
);

CREATE TABLE notify_delivery (
    channel text NOT NULL,
    event_id bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamp with time zone NOT NULL DEFAULT now(),
    delivered_at timestamp with time zone,
    given_up_at timestamp with time zone,
    last_error text NOT NULL DEFAULT ''::text,
    CONSTRAINT notify_delivery_pkey PRIMARY KEY (channel, event_id),
    CONSTRAINT notify_delivery_channel_fkey FOREIGN KEY (channel) REFERENCES notify_channel(channel),
    CONSTRAINT notify_delivery_event_id_fkey FOREIGN KEY (event_id) REFERENCES alarm_event(event_id)
);
CREATE INDEX notify_delivery_due ON notify_delivery USING btree (next_at) WHERE ((delivered_at IS NULL) AND (given_up_at IS NULL));

CREATE TABLE reading (
    series_id integer NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    value double precision NOT NULL,
    quality integer NOT NULL
);
CREATE UNIQUE INDEX reading_key ON reading USING btree (series_id, observed_at);
CREATE INDEX reading_when ON reading USING brin (observed_at) WITH (pages_per_range='32', autosummarize='on');

CREATE TABLE rejected (
    rejected_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    received_at timestamp with time zone NOT NULL,
    topic text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    payload bytea NOT NULL,
    readings integer NOT NULL,
    content_type text NOT NULL DEFAULT ''::text,
    device text,
    quantity text,
    resolved_at timestamp with time zone,
    resolution text,
    CONSTRAINT rejected_pkey PRIMARY KEY (rejected_id),
    CONSTRAINT rejected_check CHECK (((resolved_at IS NULL) = (resolution IS NULL)))
);
CREATE INDEX rejected_open ON rejected USING btree (reason, rejected_id) WHERE (resolved_at IS NULL);
CREATE INDEX rejected_open_device ON rejected USING btree (device, rejected_id) WHERE (resolved_at IS NULL);
CREATE INDEX rejected_when ON rejected USING btree (received_at);

CREATE TABLE rollup_1d (
    bucket timestamp with time zone NOT NULL,
    series_id integer NOT NULL,
    count integer NOT NULL,
    good integer NOT NULL,
    min double precision,
    max double precision,
    sum double precision,
    last double precision
);
CREATE UNIQUE INDEX rollup_1d_key ON rollup_1d USING btree (series_id, bucket);
CREATE INDEX rollup_1d_when ON rollup_1d USING brin (bucket) WITH (pages_per_range='32', autosummarize='on');

CREATE TABLE rollup_1h (
    bucket timestamp with time zone NOT NULL,
    series_id integer NOT NULL,
    count integer NOT NULL,
    good integer NOT NULL,
    min double precision,
    max double precision,
    sum double precision,
    last double precision
);
CREATE UNIQUE INDEX rollup_1h_key ON rollup_1h USING btree (series_id, bucket);
CREATE INDEX rollup_1h_when ON rollup_1h USING brin (bucket) WITH (pages_per_range='32', autosummarize='on');

CREATE TABLE rollup_1m (
    bucket timestamp with time zone NOT NULL,
    series_id integer NOT NULL,
    count integer NOT NULL,
    good integer NOT NULL,
    min double precision,
    max double precision,
    sum double precision,
    last double precision
);
CREATE UNIQUE INDEX rollup_1m_key ON rollup_1m USING btree (series_id, bucket);
CREATE INDEX rollup_1m_when ON rollup_1m USING brin (bucket) WITH (pages_per_range='32', autosummarize='on');

CREATE TABLE rollup_dirty (
    dirty_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    level text NOT NULL DEFAULT '1m'::text,
    series_id integer,
    from_at timestamp with time zone NOT NULL,
    to_at timestamp with time zone NOT NULL,
    CONSTRAINT rollup_dirty_pkey PRIMARY KEY (dirty_id),
    CONSTRAINT rollup_dirty_check CHECK ((from_at < to_at)),
    CONSTRAINT rollup_dirty_level_check CHECK ((level = ANY (ARRAY['1m'::text, '1h'::text, '1d'::text])))
);

CREATE TABLE rollup_level (
    level text NOT NULL,
    done_to timestamp with time zone NOT NULL,
    CONSTRAINT rollup_level_pkey PRIMARY KEY (level),
    CONSTRAINT rollup_level_level_check CHECK ((level = ANY (ARRAY['1m'::text, '1h'::text, '1d'::text])))
);

CREATE TABLE rule (
    rule_id text NOT NULL,
    version integer NOT NULL,
    body jsonb NOT NULL,
    sha256 text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    loaded_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT rule_pkey PRIMARY KEY (rule_id, version)
);
CREATE UNIQUE INDEX rule_active ON rule USING btree (rule_id) WHERE active;

CREATE TABLE schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT schema_migration_pkey PRIMARY KEY (version)
);

CREATE TABLE series (
    series_id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    device_id text NOT NULL,
    quantity text NOT NULL,
    CONSTRAINT series_pkey PRIMARY KEY (series_id),
    CONSTRAINT series_device_id_fkey FOREIGN KEY (device_id) REFERENCES device(device_id),
    CONSTRAINT series_device_id_quantity_key UNIQUE (device_id, quantity)
);

CREATE TABLE space (
    space_id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    code text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    name_en text NOT NULL DEFAULT ''::text,
    parent_id integer,
    outline jsonb NOT NULL,
    height_m real,
    source text NOT NULL,
    valid_from timestamp with time zone NOT NULL DEFAULT now(),
    valid_to timestamp with time zone,
    CONSTRAINT space_pkey PRIMARY KEY (space_id),
    CONSTRAINT space_check CHECK (((kind = 'district'::text) = (parent_id IS NULL))),
    CONSTRAINT space_kind_check CHECK ((kind = ANY (ARRAY['district'::text, 'street'::text, 'community'::text, 'grid'::text, 'block'::text, 'building'::text]))),
    CONSTRAINT space_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES space(space_id)
);
CREATE UNIQUE INDEX space_code_now ON space USING btree (code) WHERE (valid_to IS NULL);
CREATE INDEX space_parent ON space USING btree (parent_id);

CREATE TABLE store_fact (
    key text NOT NULL,
    value text NOT NULL,
    CONSTRAINT store_fact_pkey PRIMARY KEY (key)
);

CREATE TABLE tally (
    worker_id text NOT NULL,
    received bigint NOT NULL DEFAULT 0,
    stored bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    redelivered bigint NOT NULL DEFAULT 0,
    updated_at timestamp with time zone NOT NULL DEFAULT now(),
    latest_from timestamp with time zone,
    CONSTRAINT tally_pkey PRIMARY KEY (worker_id),
    CONSTRAINT tally_check CHECK ((received = ((stored + rejected) + duplicates)))
);

CREATE TABLE uplink (
    gateway_id text NOT NULL,
    epoch bigint NOT NULL,
    low bigint NOT NULL,
    above bigint[] NOT NULL,
    updated_at timestamp with time zone NOT NULL DEFAULT now(),
    version bigint NOT NULL DEFAULT 0,
    CONSTRAINT uplink_pkey PRIMARY KEY (gateway_id, epoch)
);

CREATE VIEW reading_1d AS
SELECT rollup_1d.series_id,
    rollup_1d.bucket,
    rollup_1d.count::bigint AS count,
    rollup_1d.good::bigint AS good,
    rollup_1d.min,
    rollup_1d.max,
    rollup_1d.sum,
    rollup_1d.last
   FROM rollup_1d
  WHERE rollup_1d.bucket < (( SELECT rollup_level.done_to
           FROM rollup_level
          WHERE rollup_level.level = '1d'::text))
UNION ALL
 SELECT part.series_id,
    time_bucket('1 day'::interval, part.at) AS bucket,
    sum(part.count) AS count,
    sum(part.good) AS good,
    min(part.min) AS min,
    max(part.max) AS max,
    sum(part.sum) AS sum,
    last(part.last, part.at) FILTER (WHERE part.good > 0) AS last
   FROM ( SELECT rollup_1h.series_id,
            rollup_1h.bucket AS at,
            rollup_1h.count,
            rollup_1h.good,
            rollup_1h.min,
            rollup_1h.max,
            rollup_1h.sum,
            rollup_1h.last
           FROM rollup_1h
          WHERE rollup_1h.bucket >= (( SELECT rollup_level.done_to
                   FROM rollup_level
                  WHERE rollup_level.level = '1d'::text)) AND rollup_1h.bucket < (( SELECT rollup_level.done_to
                   FROM rollup_level
                  WHERE rollup_level.level = '1h'::text))
        UNION ALL
         SELECT rollup_1m.series_id,
            rollup_1m.bucket,
            rollup_1m.count,
            rollup_1m.good,
            rollup_1m.min,
            rollup_1m.max,
            rollup_1m.sum,
            rollup_1m.last
           FROM rollup_1m
          WHERE rollup_1m.bucket >= (( SELECT rollup_level.done_to
                   FROM rollup_level
                  WHERE rollup_level.level = '1h'::text)) AND rollup_1m.bucket < (( SELECT rollup_level.done_to
                   FROM rollup_level
                  WHERE rollup_level.level = '1m'::text))
        UNION ALL
         SELECT reading.series_id,
            reading.observed_at,
            1,
            ((reading.quality & 681) = 0)::integer AS int4,
                CASE
                    WHEN (reading.quality & 681) = 0 THEN reading.value
                    ELSE NULL::double precision
                END AS "case",
                CASE
                    WHEN (reading.quality & 681) = 0 THEN reading.value
                    ELSE NULL::double precision
                END AS "case",
                CASE
                    WHEN (reading.quality & 681) = 0 THEN reading.value
                    ELSE NULL::double precision
                END AS "case",
                CASE
                    WHEN (reading.quality & 681) = 0 THEN reading.value
                    ELSE NULL::double precision
                END AS "case"
           FROM reading
          WHERE reading.observed_at >= (( SELECT rollup_level.done_to
                   FROM rollup_level
                  WHERE rollup_level.level = '1m'::text))) part
  GROUP BY part.series_id, (time_bucket('1 day'::interval, part.at));

CREATE VIEW reading_1h AS
SELECT rollup_1h.series_id,
    rollup_1h.bucket,
    rollup_1h.count::bigint AS count,
    rollup_1h.good::bigint AS good,
    rollup_1h.min,
    rollup_1h.max,
    rollup_1h.sum,
    rollup_1h.last
   FROM rollup_1h
  WHERE rollup_1h.bucket < (( SELECT rollup_level.done_to
           FROM rollup_level
          WHERE rollup_level.level = '1h'::text))
UNION ALL
 SELECT part.series_id,
    time_bucket('01:00:00'::interval, part.at) AS bucket,
    sum(part.count) AS count,
    sum(part.good) AS good,
    min(part.min) AS min,
    max(part.max) AS max,
    sum(part.sum) AS sum,
    last(part.last, part.at) FILTER (WHERE part.good > 0) AS last
   FROM ( SELECT rollup_1m.series_id,
            rollup_1m.bucket AS at,
            rollup_1m.count,
            rollup_1m.good,
            rollup_1m.min,
            rollup_1m.max,
            rollup_1m.sum,
            rollup_1m.last
           FROM rollup_1m
          WHERE rollup_1m.bucket >= (( SELECT rollup_level.done_to
                   FROM rollup_level
                  WHERE rollup_level.level = '1h'::text)) AND rollup_1m.bucket < (( SELECT rollup_level.done_to
                   FROM rollup_level
                  WHERE rollup_level.level = '1m'::text))
        UNION ALL
         SELECT reading.series_id,
            reading.observed_at,
            1,
            ((reading.quality & 681) = 0)::integer AS int4,
                CASE
                    WHEN (reading.quality & 681) = 0 THEN reading.value
                    ELSE NULL::double precision
                END AS "case",
                CASE
                    WHEN (reading.quality & 681) = 0 THEN reading.value
                    ELSE NULL::double precision
                END AS "case",
                CASE
                    WHEN (reading.quality & 681) = 0 THEN reading.value
                    ELSE NULL::double precision
                END AS "case",
                CASE
                    WHEN (reading.quality & 681) = 0 THEN reading.value
                    ELSE NULL::double precision
                END AS "case"
           FROM reading
          WHERE reading.observed_at >= (( SELECT rollup_level.done_to
                   FROM rollup_level
                  WHERE rollup_level.level = '1m'::text))) part
  GROUP BY part.series_id, (time_bucket('01:00:00'::interval, part.at));

CREATE VIEW reading_1m AS
SELECT rollup_1m.series_id,
    rollup_1m.bucket,
    rollup_1m.count::bigint AS count,
    rollup_1m.good::bigint AS good,
    rollup_1m.min,
    rollup_1m.max,
    rollup_1m.sum,
    rollup_1m.last
   FROM rollup_1m
  WHERE rollup_1m.bucket < (( SELECT rollup_level.done_to
           FROM rollup_level
          WHERE rollup_level.level = '1m'::text))
UNION ALL
 SELECT reading.series_id,
    time_bucket('00:01:00'::interval, reading.observed_at) AS bucket,
    count(*) AS count,
    count(*) FILTER (WHERE (reading.quality & 681) = 0) AS good,
    min(reading.value) FILTER (WHERE (reading.quality & 681) = 0) AS min,
    max(reading.value) FILTER (WHERE (reading.quality & 681) = 0) AS max,
    sum(reading.value) FILTER (WHERE (reading.quality & 681) = 0) AS sum,
    last(reading.value, reading.observed_at) FILTER (WHERE (reading.quality & 681) = 0) AS last
   FROM reading
  WHERE reading.observed_at >= (( SELECT rollup_level.done_to
           FROM rollup_level
          WHERE rollup_level.level = '1m'::text))
  GROUP BY reading.series_id, (time_bucket('00:01:00'::interval, reading.observed_at));

-- hypertable reading: chunks by observed_at, 1 day

-- hypertable rollup_1d: chunks by bucket, 360 days

-- hypertable rollup_1h: chunks by bucket, 30 days

-- hypertable rollup_1m: chunks by bucket, 1 day
