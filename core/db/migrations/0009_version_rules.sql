-- Who loaded a rule and why, and what holds for single devices instead.

-- One row a change of the rules in force. `files` is the digest of the rule files of a start, by
-- which the next start knows whether they have been changed since; NULL for a load by hand.
CREATE TABLE rule_load (
    load_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    author  text NOT NULL CHECK (length(author) BETWEEN 1 AND 200),
    note    text NOT NULL CHECK (length(note) <= 2000),
    files   text
);

-- The load that made a version, and the one that ended it; rows from before have neither.
ALTER TABLE rule
    ADD COLUMN load_id integer REFERENCES rule_load,
    ADD COLUMN ended_by integer REFERENCES rule_load;

-- What holds for one device instead of what a rule says. A changed or ended one keeps its row.
CREATE TABLE rule_override (
    override_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id     text NOT NULL,
    device_id   text NOT NULL REFERENCES device ON DELETE CASCADE,
    enabled     boolean NOT NULL,
    levels      jsonb NOT NULL DEFAULT '[]',
    author      text NOT NULL CHECK (length(author) BETWEEN 1 AND 200),
    reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    at          timestamptz NOT NULL DEFAULT now(),
    until       timestamptz CHECK (until > at),
    ended_at    timestamptz,
    ended_by    text,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE UNIQUE INDEX rule_override_now ON rule_override (rule_id, device_id)
    WHERE ended_at IS NULL;
CREATE INDEX rule_override_device ON rule_override (device_id, override_id);
