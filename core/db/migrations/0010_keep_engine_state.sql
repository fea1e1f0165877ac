-- Snapshots of the alarm engine: what a worker knew when everything it had judged was committed.

-- The body is what ingest.snapshots packs, compressed already. One row for each worker: the newest.
CREATE TABLE engine_state (
    worker_id text PRIMARY KEY CHECK (worker_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    taken_at  timestamptz NOT NULL,
    saved_at  timestamptz NOT NULL DEFAULT now(),
    format    smallint NOT NULL,
    body      bytea NOT NULL
);
ALTER TABLE engine_state ALTER COLUMN body SET STORAGE EXTERNAL;
