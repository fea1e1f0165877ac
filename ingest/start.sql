-- name: copy_newest
-- The newest readings outside a span of device time, one per series: what slow reporters said last.
COPY (SELECT series_id, observed_at, received_at, value, quality FROM latest
       WHERE (observed_at < to_timestamp(%(from_s)s) OR observed_at >= to_timestamp(%(to_s)s))
         AND quality & %(backfilled)s = 0) TO STDOUT (FORMAT binary);
