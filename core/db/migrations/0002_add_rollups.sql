-- Rollups: what has changed since they were last refreshed, and how far each level is complete. The
-- tables or views `reading_1m`, `reading_1h` and `reading_1d` are made after the migrations, because
-- they differ by edition.

-- One row for each stretch of time in which readings came or changed, `to_at` excluded; without a
-- series it stands for all of them. Those of level 1m are whole minutes and written in the
-- transaction of the readings; those of the levels above follow from the refresh of the one below.
CREATE TABLE rollup_dirty (
    dirty_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    level     text NOT NULL DEFAULT '1m' CHECK (level IN ('1m', '1h', '1d')),
    series_id integer,
    from_at   timestamptz NOT NULL,
    to_at     timestamptz NOT NULL,
    CHECK (from_at < to_at)
);

-- Buckets before `done_to` are read from the stored rollup, the later ones from the level below.
CREATE TABLE rollup_level (
    level   text PRIMARY KEY CHECK (level IN ('1m', '1h', '1d')),
    done_to timestamptz NOT NULL
);

-- Finds all readings of a stretch of time: rows lie in a chunk about in the order of their time.
CREATE INDEX reading_when ON reading USING brin (observed_at)
    WITH (pages_per_range = 32, autosummarize = on);
