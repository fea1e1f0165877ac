-- The schema as all migrations leave it, for reading; the migrations make it.
-- Written by: blocktwin db schema > core/db/schema.sql

CREATE TABLE address (
    address_id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    text text NOT NULL,
    normal text NOT NULL,
    parts jsonb NOT NULL,
    space_code text,
    lon double precision,
    lat double precision,
    frame text NOT NULL DEFAULT 'EPSG:4490'::text,
    source text NOT NULL,
    building_code text,
    house_code text,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    updated_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT address_pkey PRIMARY KEY (address_id),
    CONSTRAINT address_building_code_check CHECK ((building_code ~ '^[0-9]{19}$'::text)),
    CONSTRAINT address_check CHECK (((lon IS NULL) = (lat IS NULL))),
    CONSTRAINT address_check1 CHECK (((lon IS NOT NULL) OR (space_code IS NOT NULL))),
    CONSTRAINT address_house_code_check CHECK ((house_code ~ '^[0-9]{25}$'::text)),
    CONSTRAINT address_lat_check CHECK (((lat >= ('-90'::integer)::double precision) AND (lat <= (90)::double precision))),
    CONSTRAINT address_lon_check CHECK (((lon >= ('-180'::integer)::double precision) AND (lon <= (180)::double precision))),
    CONSTRAINT address_normal_check CHECK (((length(normal) >= 1) AND (length(normal) <= 400))),
    CONSTRAINT address_text_check CHECK (((length(text) >= 1) AND (length(text) <= 200)))
);
CREATE INDEX address_building ON address USING btree (building_code) WHERE (building_code IS NOT NULL);
CREATE UNIQUE INDEX address_house ON address USING btree (house_code) WHERE (house_code IS NOT NULL);
CREATE UNIQUE INDEX address_normal ON address USING btree (normal);

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
    assigned_to text,
    hidden text,
    hidden_until timestamp with time zone,
    hidden_by text,
    hidden_why text,
    life_safety boolean NOT NULL DEFAULT false,
    advisory boolean NOT NULL DEFAULT false,
    said jsonb,
    ack_within_s double precision,
    re_alarm_s double precision,
    asked_at timestamp with time zone NOT NULL,
    overdue_at timestamp with time zone,
    due_at timestamp with time zone,
    CONSTRAINT alarm_pkey PRIMARY KEY (alarm_id),
    CONSTRAINT alarm_check CHECK (((peak_severity >= severity) AND (peak_severity <= 4))),
    CONSTRAINT alarm_check1 CHECK (((state = 'closed'::text) = (closed_at IS NOT NULL))),
    CONSTRAINT alarm_check2 CHECK (((closed_at IS NULL) = (close_cause IS NULL))),
    CONSTRAINT alarm_check3 CHECK (((hidden IS NULL) = (hidden_by IS NULL))),
    CONSTRAINT alarm_check4 CHECK (((hidden IS NULL) = (hidden_why IS NULL))),
    CONSTRAINT alarm_check5 CHECK (((NOT (hidden IS DISTINCT FROM 'shelved'::text)) = (hidden_until IS NOT NULL))),
    CONSTRAINT alarm_check6 CHECK (((closed_at IS NULL) OR ((hidden IS NULL) AND (due_at IS NULL)))),
    CONSTRAINT alarm_close_cause_check CHECK ((close_cause = ANY (ARRAY['true'::text, 'false'::text, 'test'::text, 'maintenance'::text, 'returned'::text]))),
    CONSTRAINT alarm_device_id_fkey FOREIGN KEY (device_id) REFERENCES device(device_id),
    CONSTRAINT alarm_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(gateway_id),
    CONSTRAINT alarm_hidden_check CHECK ((hidden = ANY (ARRAY['shelved'::text, 'suppressed'::text, 'out_of_service'::text]))),
    CONSTRAINT alarm_rule_id_rule_version_fkey FOREIGN KEY (rule_id, rule_version) REFERENCES rule(rule_id, version),
    CONSTRAINT alarm_severity_check CHECK (((severity >= 1) AND (severity <= 4))),
    CONSTRAINT alarm_space_id_fkey FOREIGN KEY (space_id) REFERENCES space(space_id),
    CONSTRAINT alarm_state_check CHECK ((state = ANY (ARRAY['unacknowledged'::text, 'acknowledged'::text, 'returned_unacknowledged'::text, 'closed'::text])))
);
CREATE INDEX alarm_device ON alarm USING btree (device_id, raised_at DESC);
CREATE INDEX alarm_due ON alarm USING btree (due_at) WHERE (due_at IS NOT NULL);
CREATE UNIQUE INDEX alarm_open ON alarm USING btree (rule_id, subject) WHERE (closed_at IS NULL);
CREATE INDEX alarm_raised ON alarm USING btree (raised_at DESC, alarm_id);
CREATE INDEX alarm_same ON alarm USING btree (rule_id, subject, raised_at DESC);

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
    event_key uuid NOT NULL DEFAULT gen_random_uuid(),
    hidden text,
    about text NOT NULL DEFAULT ''::text,
    CONSTRAINT alarm_event_pkey PRIMARY KEY (event_id),
    CONSTRAINT alarm_event_alarm_id_fkey FOREIGN KEY (alarm_id) REFERENCES alarm(alarm_id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT alarm_event_kind_check CHECK ((kind = ANY (ARRAY['raised'::text, 'escalated'::text, 'eased'::text, 'returned'::text, 'acknowledged'::text, 'commented'::text, 'closed'::text, 'assigned'::text, 'shelved'::text, 'unshelved'::text, 'suppressed'::text, 'unsuppressed'::text, 'out_of_service'::text, 'in_service'::text, 'overdue'::text, 're_alarmed'::text])))
);
CREATE INDEX alarm_event_alarm ON alarm_event USING btree (alarm_id, event_id);
CREATE UNIQUE INDEX alarm_event_key ON alarm_event USING btree (event_key);
CREATE INDEX alarm_event_raised ON alarm_event USING btree (at) INCLUDE (alarm_id) WHERE (kind = 'raised'::text);

CREATE TABLE alarm_occurrence (
    alarm_id uuid NOT NULL,
    number integer NOT NULL,
    onset_at timestamp with time zone NOT NULL,
    detected_at timestamp with time zone NOT NULL,
    returned_at timestamp with time zone,
    severity smallint NOT NULL,
    value double precision NOT NULL,
    threshold double precision NOT NULL,
    CONSTRAINT alarm_occurrence_pkey PRIMARY KEY (alarm_id, number),
    CONSTRAINT alarm_occurrence_alarm_id_fkey FOREIGN KEY (alarm_id) REFERENCES alarm(alarm_id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT alarm_occurrence_number_check CHECK ((number >= 1)),
    CONSTRAINT alarm_occurrence_severity_check CHECK (((severity >= 1) AND (severity <= 4)))
);

CREATE TABLE attribute_change (
    change_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    device_id text NOT NULL,
    side text NOT NULL,
    name text NOT NULL,
    value jsonb,
    version bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    by text NOT NULL,
    said_until timestamp with time zone,
    CONSTRAINT attribute_change_pkey PRIMARY KEY (change_id),
    CONSTRAINT attribute_change_check CHECK ((said_until > at)),
    CONSTRAINT attribute_change_device_id_fkey FOREIGN KEY (device_id) REFERENCES device(device_id) ON DELETE CASCADE,
    CONSTRAINT attribute_change_name_check CHECK ((name ~ '^[a-z][a-z0-9_]{0,63}$'::text)),
    CONSTRAINT attribute_change_side_check CHECK ((side = ANY (ARRAY['desired'::text, 'reported'::text])))
);
CREATE INDEX attribute_change_now ON attribute_change USING btree (device_id, side, name, at DESC, change_id DESC);

CREATE TABLE desk_mark (
    only_one boolean NOT NULL DEFAULT true,
    looked bigint NOT NULL,
    judged bigint NOT NULL,
    CONSTRAINT desk_mark_pkey PRIMARY KEY (only_one),
    CONSTRAINT desk_mark_check CHECK ((judged <= looked)),
    CONSTRAINT desk_mark_only_one_check CHECK (only_one)
);

CREATE TABLE desk_verdict (
    event_id bigint NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL DEFAULT ''::text,
    decided_at timestamp with time zone NOT NULL DEFAULT now(),
    recheck_at timestamp with time zone,
    CONSTRAINT desk_verdict_pkey PRIMARY KEY (event_id),
    CONSTRAINT desk_verdict_event_id_fkey FOREIGN KEY (event_id) REFERENCES alarm_event(event_id) ON DELETE CASCADE,
    CONSTRAINT desk_verdict_verdict_check CHECK ((verdict = ANY (ARRAY['tell'::text, 'hold'::text, 'digest'::text])))
);
CREATE INDEX desk_verdict_recheck ON desk_verdict USING btree (recheck_at) WHERE (recheck_at IS NOT NULL);

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
    frame text NOT NULL DEFAULT 'EPSG:4490'::text,
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
CREATE TRIGGER device_has_changed AFTER UPDATE ON device REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_device_changes();
CREATE TRIGGER device_is_new AFTER INSERT ON device REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_new_devices();

CREATE TABLE device_installation (
    installation_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    device_id text NOT NULL,
    serial text NOT NULL DEFAULT ''::text,
    vendor text NOT NULL DEFAULT ''::text,
    model text NOT NULL DEFAULT ''::text,
    from_at timestamp with time zone,
    to_at timestamp with time zone,
    recorded_at timestamp with time zone NOT NULL DEFAULT now(),
    reason text NOT NULL DEFAULT ''::text,
    by text NOT NULL DEFAULT ''::text,
    CONSTRAINT device_installation_pkey PRIMARY KEY (installation_id),
    CONSTRAINT device_installation_check CHECK ((to_at > from_at)),
    CONSTRAINT device_installation_device_id_fkey FOREIGN KEY (device_id) REFERENCES device(device_id) ON DELETE CASCADE
);
CREATE INDEX device_installation_begun ON device_installation USING btree (from_at) WHERE (from_at IS NOT NULL);
CREATE INDEX device_installation_device ON device_installation USING btree (device_id, installation_id);
CREATE UNIQUE INDEX device_installation_now ON device_installation USING btree (device_id) WHERE (to_at IS NULL);

CREATE TABLE device_place (
    place_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    device_id text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    height_m real,
    space_id integer,
    gateway_id text NOT NULL,
    placed_how text NOT NULL,
    placed_note text NOT NULL,
    from_at timestamp with time zone,
    to_at timestamp with time zone,
    recorded_at timestamp with time zone NOT NULL DEFAULT now(),
    reason text NOT NULL DEFAULT ''::text,
    by text NOT NULL DEFAULT ''::text,
    CONSTRAINT device_place_pkey PRIMARY KEY (place_id),
    CONSTRAINT device_place_check CHECK ((to_at > from_at)),
    CONSTRAINT device_place_device_id_fkey FOREIGN KEY (device_id) REFERENCES device(device_id) ON DELETE CASCADE,
    CONSTRAINT device_place_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(gateway_id),
    CONSTRAINT device_place_space_id_fkey FOREIGN KEY (space_id) REFERENCES space(space_id)
);
CREATE INDEX device_place_device ON device_place USING btree (device_id, place_id);
CREATE INDEX device_place_ended ON device_place USING btree (to_at) WHERE (to_at IS NOT NULL);
CREATE INDEX device_place_gateway ON device_place USING btree (gateway_id);
CREATE UNIQUE INDEX device_place_now ON device_place USING btree (device_id) WHERE (to_at IS NULL);
CREATE INDEX device_place_space ON device_place USING btree (space_id);

CREATE TABLE device_twin (
    device_id text NOT NULL,
    desired_version bigint NOT NULL DEFAULT 0,
    reported_version bigint NOT NULL DEFAULT 0,
    reported_at timestamp with time zone,
    CONSTRAINT device_twin_pkey PRIMARY KEY (device_id),
    CONSTRAINT device_twin_device_id_fkey FOREIGN KEY (device_id) REFERENCES device(device_id) ON DELETE CASCADE
);

CREATE TABLE engine_state (
    worker_id text NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL DEFAULT now(),
    format smallint NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT engine_state_pkey PRIMARY KEY (worker_id),
    CONSTRAINT engine_state_worker_id_check CHECK ((worker_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'::text))
);

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

CREATE TABLE incident (
    incident_id uuid NOT NULL,
    state text NOT NULL,
    severity smallint NOT NULL,
    field text NOT NULL,
    fields text[] NOT NULL,
    space text,
    block text,
    lon double precision,
    lat double precision,
    title_zh text NOT NULL,
    title_en text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    alarms integer NOT NULL,
    CONSTRAINT incident_pkey PRIMARY KEY (incident_id),
    CONSTRAINT incident_check CHECK (((state = 'closed'::text) = (closed_at IS NOT NULL))),
    CONSTRAINT incident_severity_check CHECK (((severity >= 1) AND (severity <= 4))),
    CONSTRAINT incident_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closed'::text])))
);
CREATE INDEX incident_last ON incident USING btree (last_at DESC);
CREATE INDEX incident_opened ON incident USING btree (opened_at DESC, incident_id);

CREATE TABLE incident_alarm (
    alarm_id uuid NOT NULL,
    incident_id uuid NOT NULL,
    joined_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT incident_alarm_pkey PRIMARY KEY (alarm_id),
    CONSTRAINT incident_alarm_alarm_id_fkey FOREIGN KEY (alarm_id) REFERENCES alarm(alarm_id) ON DELETE CASCADE,
    CONSTRAINT incident_alarm_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(incident_id) ON DELETE CASCADE
);
CREATE INDEX incident_alarm_incident ON incident_alarm USING btree (incident_id);

CREATE TABLE latest (
    series_id integer NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    value double precision NOT NULL,
    quality integer NOT NULL,
    CONSTRAINT latest_pkey PRIMARY KEY (series_id)
) WITH (fillfactor=50);

CREATE TABLE map_change (
    version_id integer NOT NULL,
    code text NOT NULL,
    before_id integer,
    after_id integer,
    before jsonb,
    after jsonb,
    CONSTRAINT map_change_pkey PRIMARY KEY (version_id, code),
    CONSTRAINT map_change_after_id_fkey FOREIGN KEY (after_id) REFERENCES space(space_id),
    CONSTRAINT map_change_before_id_fkey FOREIGN KEY (before_id) REFERENCES space(space_id),
    CONSTRAINT map_change_check CHECK (((before_id IS NULL) = (before IS NULL))),
    CONSTRAINT map_change_check1 CHECK (((after_id IS NULL) = (after IS NULL))),
    CONSTRAINT map_change_check2 CHECK (((before_id IS NOT NULL) OR (after_id IS NOT NULL))),
    CONSTRAINT map_change_version_id_fkey FOREIGN KEY (version_id) REFERENCES map_version(version_id)
);
CREATE INDEX map_change_code ON map_change USING btree (code, version_id);

CREATE TABLE map_move (
    version_id integer NOT NULL,
    node text NOT NULL,
    node_id text NOT NULL,
    from_code text,
    to_code text,
    how text NOT NULL,
    note text NOT NULL DEFAULT ''::text,
    CONSTRAINT map_move_pkey PRIMARY KEY (version_id, node, node_id),
    CONSTRAINT map_move_how_check CHECK ((how = ANY (ARRAY['within'::text, 'snapped'::text, 'unplaced'::text]))),
    CONSTRAINT map_move_node_check CHECK ((node = ANY (ARRAY['device'::text, 'gateway'::text]))),
    CONSTRAINT map_move_version_id_fkey FOREIGN KEY (version_id) REFERENCES map_version(version_id)
);
CREATE INDEX map_move_node ON map_move USING btree (node, node_id, version_id);

CREATE TABLE map_proposal (
    proposal_id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    state text NOT NULL DEFAULT 'open'::text,
    made_at timestamp with time zone NOT NULL DEFAULT now(),
    made_by text NOT NULL,
    note text NOT NULL DEFAULT ''::text,
    file jsonb NOT NULL,
    partial boolean NOT NULL,
    within text,
    against integer,
    cells jsonb NOT NULL,
    findings jsonb NOT NULL,
    diff jsonb NOT NULL,
    moves jsonb NOT NULL,
    errors integer NOT NULL,
    warnings integer NOT NULL,
    settled_at timestamp with time zone,
    settled_by text,
    settled_note text NOT NULL DEFAULT ''::text,
    version_id integer,
    replaced_by integer,
    CONSTRAINT map_proposal_pkey PRIMARY KEY (proposal_id),
    CONSTRAINT map_proposal_against_fkey FOREIGN KEY (against) REFERENCES map_version(version_id),
    CONSTRAINT map_proposal_check CHECK (((state = 'open'::text) = (settled_at IS NULL))),
    CONSTRAINT map_proposal_check1 CHECK (((settled_at IS NULL) = (settled_by IS NULL))),
    CONSTRAINT map_proposal_check2 CHECK (((state = 'applied'::text) = (version_id IS NOT NULL))),
    CONSTRAINT map_proposal_check3 CHECK (((state = 'superseded'::text) = (replaced_by IS NOT NULL))),
    CONSTRAINT map_proposal_check4 CHECK (((state <> 'applied'::text) OR (errors = 0))),
    CONSTRAINT map_proposal_errors_check CHECK ((errors >= 0)),
    CONSTRAINT map_proposal_replaced_by_fkey FOREIGN KEY (replaced_by) REFERENCES map_proposal(proposal_id),
    CONSTRAINT map_proposal_state_check CHECK ((state = ANY (ARRAY['open'::text, 'applied'::text, 'withdrawn'::text, 'superseded'::text]))),
    CONSTRAINT map_proposal_version_id_fkey FOREIGN KEY (version_id) REFERENCES map_version(version_id),
    CONSTRAINT map_proposal_version_id_key UNIQUE (version_id),
    CONSTRAINT map_proposal_warnings_check CHECK ((warnings >= 0))
);
CREATE INDEX map_proposal_open ON map_proposal USING btree (proposal_id) WHERE (state = 'open'::text);

CREATE TABLE map_version (
    version_id integer NOT NULL,
    applied_at timestamp with time zone NOT NULL,
    applied_by text NOT NULL,
    source text NOT NULL,
    undoes integer,
    note text NOT NULL DEFAULT ''::text,
    CONSTRAINT map_version_pkey PRIMARY KEY (version_id),
    CONSTRAINT map_version_check CHECK (((source = 'rollback'::text) = (undoes IS NOT NULL))),
    CONSTRAINT map_version_source_check CHECK ((source = ANY (ARRAY['proposal'::text, 'rollback'::text, 'district load'::text, 'before versions'::text]))),
    CONSTRAINT map_version_undoes_fkey FOREIGN KEY (undoes) REFERENCES map_version(version_id),
    CONSTRAINT map_version_version_id_check CHECK ((version_id > 0))
);

CREATE TABLE network_node (
    set_id integer NOT NULL,
    node_id text NOT NULL,
    sort text NOT NULL,
    name text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    CONSTRAINT network_node_pkey PRIMARY KEY (set_id, node_id),
    CONSTRAINT network_node_set_id_fkey FOREIGN KEY (set_id) REFERENCES relation_set(set_id) ON DELETE CASCADE
);
CREATE INDEX network_node_id ON network_node USING btree (node_id);

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
    recipient text NOT NULL DEFAULT ''::text,
    step smallint NOT NULL DEFAULT 0,
    called jsonb,
    urgent boolean NOT NULL DEFAULT false,
    early boolean NOT NULL DEFAULT false,
    withheld_at timestamp with time zone,
    withheld_why text NOT NULL DEFAULT ''::text,
    folded_at timestamp with time zone,
    digest_id bigint,
    CONSTRAINT notify_delivery_pkey PRIMARY KEY (channel, event_id, recipient, step),
    CONSTRAINT notify_delivery_channel_fkey FOREIGN KEY (channel) REFERENCES notify_channel(channel),
    CONSTRAINT notify_delivery_event_id_fkey FOREIGN KEY (event_id) REFERENCES alarm_event(event_id),
    CONSTRAINT notify_delivery_step_check CHECK ((step >= 0))
);
CREATE INDEX notify_delivery_event ON notify_delivery USING btree (event_id);
CREATE INDEX notify_delivery_folded ON notify_delivery USING btree (channel, recipient) WHERE ((folded_at IS NOT NULL) AND (digest_id IS NULL));
CREATE INDEX notify_delivery_lately ON notify_delivery USING btree (channel, recipient, delivered_at) WHERE ((delivered_at IS NOT NULL) AND (NOT urgent));
CREATE INDEX notify_delivery_open ON notify_delivery USING btree (channel, urgent DESC, event_id) WHERE ((delivered_at IS NULL) AND (given_up_at IS NULL) AND (withheld_at IS NULL) AND (folded_at IS NULL));

CREATE TABLE notify_digest (
    digest_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    channel text NOT NULL,
    recipient text NOT NULL,
    events integer NOT NULL,
    made_at timestamp with time zone NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamp with time zone NOT NULL DEFAULT now(),
    delivered_at timestamp with time zone,
    given_up_at timestamp with time zone,
    last_error text NOT NULL DEFAULT ''::text,
    CONSTRAINT notify_digest_pkey PRIMARY KEY (digest_id),
    CONSTRAINT notify_digest_channel_fkey FOREIGN KEY (channel) REFERENCES notify_channel(channel),
    CONSTRAINT notify_digest_events_check CHECK ((events > 0))
);
CREATE INDEX notify_digest_last ON notify_digest USING btree (channel, recipient, made_at);
CREATE INDEX notify_digest_open ON notify_digest USING btree (channel) WHERE ((delivered_at IS NULL) AND (given_up_at IS NULL));

CREATE TABLE notify_escalation (
    alarm_id uuid NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    step smallint NOT NULL,
    at timestamp with time zone NOT NULL,
    level text NOT NULL,
    called jsonb NOT NULL,
    note text NOT NULL DEFAULT ''::text,
    next_at timestamp with time zone,
    CONSTRAINT notify_escalation_pkey PRIMARY KEY (alarm_id, asked_at, step),
    CONSTRAINT notify_escalation_alarm_id_fkey FOREIGN KEY (alarm_id) REFERENCES alarm(alarm_id),
    CONSTRAINT notify_escalation_step_check CHECK ((step >= 1))
);

CREATE TABLE notify_test (
    test_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at timestamp with time zone NOT NULL DEFAULT now(),
    by text NOT NULL,
    channel text NOT NULL,
    recipient text NOT NULL DEFAULT ''::text,
    called jsonb,
    delivered_at timestamp with time zone,
    failed_at timestamp with time zone,
    last_error text NOT NULL DEFAULT ''::text,
    CONSTRAINT notify_test_pkey PRIMARY KEY (test_id),
    CONSTRAINT notify_test_by_check CHECK (((length(by) >= 1) AND (length(by) <= 200))),
    CONSTRAINT notify_test_channel_fkey FOREIGN KEY (channel) REFERENCES notify_channel(channel)
);
CREATE INDEX notify_test_open ON notify_test USING btree (channel) WHERE ((delivered_at IS NULL) AND (failed_at IS NULL));

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

CREATE TABLE relation (
    set_id integer NOT NULL,
    upstream text NOT NULL,
    downstream text NOT NULL,
    name text NOT NULL DEFAULT ''::text,
    CONSTRAINT relation_pkey PRIMARY KEY (set_id, upstream, downstream),
    CONSTRAINT relation_check CHECK ((downstream <> upstream)),
    CONSTRAINT relation_set_id_fkey FOREIGN KEY (set_id) REFERENCES relation_set(set_id) ON DELETE CASCADE
);
CREATE INDEX relation_downstream ON relation USING btree (downstream);
CREATE INDEX relation_upstream ON relation USING btree (upstream);

CREATE TABLE relation_set (
    set_id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    by text NOT NULL,
    valid_from timestamp with time zone NOT NULL DEFAULT now(),
    valid_to timestamp with time zone,
    CONSTRAINT relation_set_pkey PRIMARY KEY (set_id),
    CONSTRAINT relation_set_check CHECK ((valid_to >= valid_from)),
    CONSTRAINT relation_set_kind_check CHECK ((kind = ANY (ARRAY['power'::text, 'drainage'::text]))),
    CONSTRAINT relation_set_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'::text))
);
CREATE UNIQUE INDEX relation_set_now ON relation_set USING btree (name) WHERE (valid_to IS NULL);

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

CREATE TABLE roster (
    roster_id text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    space text NOT NULL,
    level text NOT NULL,
    fields text[] NOT NULL DEFAULT '{}'::text[],
    min_severity smallint NOT NULL DEFAULT 3,
    contacts jsonb NOT NULL,
    shifts jsonb NOT NULL DEFAULT '[]'::jsonb,
    changed_at timestamp with time zone NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    CONSTRAINT roster_pkey PRIMARY KEY (roster_id),
    CONSTRAINT roster_changed_by_check CHECK (((length(changed_by) >= 1) AND (length(changed_by) <= 200))),
    CONSTRAINT roster_level_check CHECK ((level = ANY (ARRAY['micro_station'::text, 'squadron'::text, 'brigade'::text, 'community'::text, 'street'::text, 'district'::text]))),
    CONSTRAINT roster_min_severity_check CHECK (((min_severity >= 1) AND (min_severity <= 4))),
    CONSTRAINT roster_name_en_check CHECK ((name_en <> ''::text)),
    CONSTRAINT roster_name_zh_check CHECK ((name_zh <> ''::text)),
    CONSTRAINT roster_roster_id_check CHECK ((roster_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'::text)),
    CONSTRAINT roster_space_check CHECK (((length(space) >= 1) AND (length(space) <= 64)))
);
CREATE INDEX roster_space ON roster USING btree (space);

CREATE TABLE rule (
    rule_id text NOT NULL,
    version integer NOT NULL,
    body jsonb NOT NULL,
    sha256 text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    loaded_at timestamp with time zone NOT NULL DEFAULT now(),
    load_id integer,
    ended_by integer,
    CONSTRAINT rule_pkey PRIMARY KEY (rule_id, version),
    CONSTRAINT rule_ended_by_fkey FOREIGN KEY (ended_by) REFERENCES rule_load(load_id),
    CONSTRAINT rule_load_id_fkey FOREIGN KEY (load_id) REFERENCES rule_load(load_id)
);
CREATE UNIQUE INDEX rule_active ON rule USING btree (rule_id) WHERE active;

CREATE TABLE rule_load (
    load_id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    at timestamp with time zone NOT NULL DEFAULT now(),
    author text NOT NULL,
    note text NOT NULL,
    files text,
    CONSTRAINT rule_load_pkey PRIMARY KEY (load_id),
    CONSTRAINT rule_load_author_check CHECK (((length(author) >= 1) AND (length(author) <= 200))),
    CONSTRAINT rule_load_note_check CHECK ((length(note) <= 2000))
);

CREATE TABLE rule_override (
    override_id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    rule_id text NOT NULL,
    device_id text NOT NULL,
    enabled boolean NOT NULL,
    levels jsonb NOT NULL DEFAULT '[]'::jsonb,
    author text NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone NOT NULL DEFAULT now(),
    until timestamp with time zone,
    ended_at timestamp with time zone,
    ended_by text,
    CONSTRAINT rule_override_pkey PRIMARY KEY (override_id),
    CONSTRAINT rule_override_author_check CHECK (((length(author) >= 1) AND (length(author) <= 200))),
    CONSTRAINT rule_override_check CHECK ((until > at)),
    CONSTRAINT rule_override_check1 CHECK (((ended_at IS NULL) = (ended_by IS NULL))),
    CONSTRAINT rule_override_device_id_fkey FOREIGN KEY (device_id) REFERENCES device(device_id) ON DELETE CASCADE,
    CONSTRAINT rule_override_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 2000)))
);
CREATE INDEX rule_override_device ON rule_override USING btree (device_id, override_id);
CREATE UNIQUE INDEX rule_override_now ON rule_override USING btree (rule_id, device_id) WHERE (ended_at IS NULL);

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
    frame text NOT NULL DEFAULT 'EPSG:4490'::text,
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

CREATE TABLE surface (
    surface_id text NOT NULL,
    name text NOT NULL,
    space_id integer NOT NULL,
    surveyed_at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    frame text NOT NULL,
    height_datum text NOT NULL,
    source text NOT NULL,
    file_name text NOT NULL,
    file_sha256 text NOT NULL,
    points_format smallint NOT NULL,
    points bytea NOT NULL,
    point_count integer NOT NULL,
    row_count integer,
    column_count integer,
    facet_count integer NOT NULL,
    area_m2 double precision NOT NULL,
    west double precision NOT NULL,
    south double precision NOT NULL,
    east double precision NOT NULL,
    north double precision NOT NULL,
    lowest_m double precision NOT NULL,
    highest_m double precision NOT NULL,
    report jsonb NOT NULL,
    imported_at timestamp with time zone NOT NULL DEFAULT now(),
    imported_by text NOT NULL,
    CONSTRAINT surface_pkey PRIMARY KEY (surface_id),
    CONSTRAINT surface_area_m2_check CHECK ((area_m2 > (0)::double precision)),
    CONSTRAINT surface_check CHECK (((west <= east) AND (south <= north) AND (lowest_m <= highest_m))),
    CONSTRAINT surface_check1 CHECK (((kind = 'dem'::text) = ((row_count IS NOT NULL) AND (column_count IS NOT NULL)))),
    CONSTRAINT surface_check2 CHECK (((kind = 'points'::text) OR ((row_count * column_count) = point_count))),
    CONSTRAINT surface_column_count_check CHECK ((column_count >= 2)),
    CONSTRAINT surface_facet_count_check CHECK ((facet_count >= 1)),
    CONSTRAINT surface_file_sha256_check CHECK ((file_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT surface_kind_check CHECK ((kind = ANY (ARRAY['dem'::text, 'points'::text]))),
    CONSTRAINT surface_name_check CHECK ((name <> ''::text)),
    CONSTRAINT surface_point_count_check CHECK ((point_count >= 3)),
    CONSTRAINT surface_points_format_check CHECK ((points_format = 1)),
    CONSTRAINT surface_row_count_check CHECK ((row_count >= 2)),
    CONSTRAINT surface_space_id_fkey FOREIGN KEY (space_id) REFERENCES space(space_id),
    CONSTRAINT surface_surface_id_check CHECK ((surface_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'::text))
);
CREATE INDEX surface_space ON surface USING btree (space_id, surveyed_at DESC);

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

CREATE OR REPLACE FUNCTION keep_device_changes()
 RETURNS trigger
 LANGUAGE plpgsql
 SET enable_nestloop TO 'on'
AS $function$
BEGIN
    IF (SELECT count(*) FROM new_rows) > 200 THEN
        SET LOCAL enable_nestloop = off;
    END IF;
    EXECUTE $places$
    WITH changed AS (
        SELECT n.*
          FROM new_rows n JOIN old_rows o USING (device_id)
         WHERE (n.lon, n.lat, n.height_m, n.space_id, n.gateway_id, n.placed_how, n.placed_note)
               IS DISTINCT FROM
               (o.lon, o.lat, o.height_m, o.space_id, o.gateway_id, o.placed_how, o.placed_note)
    ), amended AS (
        UPDATE device_place p
           SET lon = c.lon, lat = c.lat, height_m = c.height_m, space_id = c.space_id,
               gateway_id = c.gateway_id, placed_how = c.placed_how, placed_note = c.placed_note
          FROM changed c
         WHERE p.device_id = c.device_id AND p.to_at IS NULL AND p.recorded_at = now()
    ), ended AS (
        UPDATE device_place p
           SET to_at = greatest(now(), p.from_at + interval '1 microsecond')
          FROM changed c
         WHERE p.device_id = c.device_id AND p.to_at IS NULL AND p.recorded_at <> now()
     RETURNING p.device_id, p.to_at
    )
    INSERT INTO device_place (device_id, lon, lat, height_m, space_id, gateway_id, placed_how,
                              placed_note, from_at, reason, by)
    SELECT c.device_id, c.lon, c.lat, c.height_m, c.space_id, c.gateway_id, c.placed_how,
           c.placed_note, e.to_at, coalesce(current_setting('blocktwin.reason', true), ''),
           coalesce(current_setting('blocktwin.by', true), '')
      FROM changed c JOIN ended e USING (device_id)
    $places$;

    EXECUTE $installations$
    UPDATE device_installation i
       SET from_at = time_said(n.attributes ->> 'installed_at')
      FROM new_rows n JOIN old_rows o USING (device_id)
     WHERE i.device_id = n.device_id AND i.from_at IS NULL
       AND n.attributes ? 'installed_at'
       AND n.attributes -> 'installed_at' IS DISTINCT FROM o.attributes -> 'installed_at'
       AND (i.to_at IS NULL OR i.to_at > time_said(n.attributes ->> 'installed_at'))
    $installations$;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION keep_new_devices()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    INSERT INTO device_place (device_id, lon, lat, height_m, space_id, gateway_id, placed_how,
                              placed_note, reason, by)
    SELECT device_id, lon, lat, height_m, space_id, gateway_id, placed_how, placed_note,
           coalesce(current_setting('blocktwin.reason', true), ''),
           coalesce(current_setting('blocktwin.by', true), '')
      FROM new_rows;
    INSERT INTO device_installation (device_id, serial, vendor, model, from_at)
    SELECT device_id, coalesce(attributes ->> 'serial', ''), coalesce(attributes ->> 'vendor', ''),
           coalesce(attributes ->> 'model', ''),
           CASE WHEN attributes ? 'installed_at' THEN time_said(attributes ->> 'installed_at') END
      FROM new_rows;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION time_said(said text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
    IF said !~ '^\d{4}-\d{2}-\d{2}' THEN
        RETURN NULL;
    END IF;
    RETURN said::timestamptz;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $function$;

-- hypertable reading: chunks by observed_at, 1 day

-- hypertable rollup_1d: chunks by bucket, 360 days

-- hypertable rollup_1h: chunks by bucket, 30 days

-- hypertable rollup_1m: chunks by bucket, 1 day
