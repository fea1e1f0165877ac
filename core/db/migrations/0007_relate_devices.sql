-- Relations beside containment, attributes with their history, moves and replacements.

-- Where a device has stood, without a gap: from_at inclusive, to_at exclusive; a null from_at is
-- "since before anything is known", a null to_at "now". recorded_at is the transaction that wrote
-- the row; one transaction leaves one row, however often it touches the device.
CREATE TABLE device_place (
    place_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id   text NOT NULL REFERENCES device ON DELETE CASCADE,
    lon         double precision NOT NULL,
    lat         double precision NOT NULL,
    height_m    real,
    space_id    integer REFERENCES space,
    gateway_id  text NOT NULL REFERENCES gateway,
    placed_how  text NOT NULL,
    placed_note text NOT NULL,
    from_at     timestamptz,
    to_at       timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    reason      text NOT NULL DEFAULT '',
    by          text NOT NULL DEFAULT '',
    CHECK (to_at > from_at)
);
CREATE UNIQUE INDEX device_place_now ON device_place (device_id) WHERE to_at IS NULL;
CREATE INDEX device_place_ended ON device_place (to_at) WHERE to_at IS NOT NULL;
CREATE INDEX device_place_device ON device_place (device_id, place_id);
CREATE INDEX device_place_gateway ON device_place (gateway_id);
CREATE INDEX device_place_space ON device_place (space_id);

-- Which instrument stands behind a device id. Series and readings belong to the id, not to it.
CREATE TABLE device_installation (
    installation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id       text NOT NULL REFERENCES device ON DELETE CASCADE,
    serial          text NOT NULL DEFAULT '',
    vendor          text NOT NULL DEFAULT '',
    model           text NOT NULL DEFAULT '',
    from_at         timestamptz,
    to_at           timestamptz,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    reason          text NOT NULL DEFAULT '',
    by              text NOT NULL DEFAULT '',
    CHECK (to_at > from_at)
);
CREATE UNIQUE INDEX device_installation_now ON device_installation (device_id) WHERE to_at IS NULL;
CREATE INDEX device_installation_device ON device_installation (device_id, installation_id);
CREATE INDEX device_installation_begun ON device_installation (from_at) WHERE from_at IS NOT NULL;

-- A time that an attribute gives, null if it is none; loading checks it, other writers may not.
CREATE FUNCTION time_said(said text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF said !~ '^\d{4}-\d{2}-\d{2}' THEN
        RETURN NULL;
    END IF;
    RETURN said::timestamptz;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

CREATE FUNCTION keep_new_devices() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$;

-- Rows of the same transaction are amended: a load writes position and placement one after another.
-- A transaction that began earlier but waited for its row comes a microsecond after the other.
-- Planned anew each time (EXECUTE), for one device or for all: a plan that is kept for one joins the
-- twenty thousand of a new map row by row, which takes minutes, and one that is kept for all reads
-- every place there is for the move of one. Tables just filled have no statistics, so for many rows
-- it is said, not estimated.
CREATE FUNCTION keep_device_changes() RETURNS trigger LANGUAGE plpgsql
    SET enable_nestloop = on AS $$
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
END $$;

CREATE TRIGGER device_is_new AFTER INSERT ON device
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_new_devices();
CREATE TRIGGER device_has_changed AFTER UPDATE ON device
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_device_changes();

INSERT INTO device_place (device_id, lon, lat, height_m, space_id, gateway_id, placed_how,
                          placed_note)
SELECT device_id, lon, lat, height_m, space_id, gateway_id, placed_how, placed_note FROM device;
INSERT INTO device_installation (device_id, serial, vendor, model, from_at)
SELECT device_id, coalesce(attributes ->> 'serial', ''), coalesce(attributes ->> 'vendor', ''),
       coalesce(attributes ->> 'model', ''), time_said(attributes ->> 'installed_at')
  FROM device;

-- What a device's attributes should be and what it says they are. A writer of one side holds the
-- row of its device, so that versions count changes one by one. reported_at is of the newest report,
-- also of one that said nothing new.
CREATE TABLE device_twin (
    device_id        text PRIMARY KEY REFERENCES device ON DELETE CASCADE,
    desired_version  bigint NOT NULL DEFAULT 0,
    reported_version bigint NOT NULL DEFAULT 0,
    reported_at      timestamptz
);

-- Every change of one attribute; a null value removed it. `at` is when it began to hold, said_until
-- the newest report that said the same again: one that comes late holds only up to there.
CREATE TABLE attribute_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id text NOT NULL REFERENCES device ON DELETE CASCADE,
    side      text NOT NULL CHECK (side IN ('desired', 'reported')),
    name      text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,63}$'),
    value     jsonb,
    version   bigint NOT NULL,
    at        timestamptz NOT NULL,
    by        text NOT NULL,
    said_until timestamptz CHECK (said_until > at)
);
CREATE INDEX attribute_change_now
    ON attribute_change (device_id, side, name, at DESC, change_id DESC);

-- A named set of relations as it was imported; an import ends the version before. Sets are never
-- changed, so whoever knows their ids knows the network. Gateway relations are not stored here:
-- device_place has them.
CREATE TABLE relation_set (
    set_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    kind       text NOT NULL CHECK (kind IN ('power', 'drainage')),
    source     text NOT NULL,
    by         text NOT NULL,
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_to   timestamptz,
    CHECK (valid_to >= valid_from)
);
CREATE UNIQUE INDEX relation_set_now ON relation_set (name) WHERE valid_to IS NULL;

-- What a network has besides devices and spaces: manholes, outfalls, ends of pipes, transformers.
CREATE TABLE network_node (
    set_id  integer NOT NULL REFERENCES relation_set ON DELETE CASCADE,
    node_id text NOT NULL,
    sort    text NOT NULL,
    name    text NOT NULL,
    lon     double precision NOT NULL,
    lat     double precision NOT NULL,
    PRIMARY KEY (set_id, node_id)
);
CREATE INDEX network_node_id ON network_node (node_id);

-- One step down: from what feeds to what is fed, as device:ID, gateway:ID, space:CODE or node:ID.
CREATE TABLE relation (
    set_id     integer NOT NULL REFERENCES relation_set ON DELETE CASCADE,
    upstream   text NOT NULL,
    downstream text NOT NULL CHECK (downstream <> upstream),
    name       text NOT NULL DEFAULT '',
    PRIMARY KEY (set_id, upstream, downstream)
);
CREATE INDEX relation_upstream ON relation (upstream);
CREATE INDEX relation_downstream ON relation (downstream);
