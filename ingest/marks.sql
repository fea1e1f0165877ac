-- name: insert_dirty
-- What the rollups have to look at again; -1 stands for every series.
INSERT INTO rollup_dirty (series_id, from_at, to_at)
SELECT nullif(series_id, -1), from_at, to_at
  FROM unnest(%(series)b::int4[], %(from)b::timestamptz[], %(to)b::timestamptz[])
       AS mark (series_id, from_at, to_at);

-- name: rollups
-- Who keeps the rollups: `ours` from the marks, `continuous` the database by itself.
SELECT value FROM store_fact WHERE key = 'rollups';
