-- The spool's statements (SQLite). Times are Unix milliseconds.

-- name: settings
-- A commit survives a power cut (FULL); one process holds the file (EXCLUSIVE), so a second agent on
-- the same spool is refused and no shared-memory file is needed; the page cache stays at 1 MB.
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -1000;

-- name: check
PRAGMA quick_check(1);

-- name: create
-- One row of state; messages by sequence. An event may overtake older messages, hence its own index.
CREATE TABLE IF NOT EXISTS state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    receipted INTEGER NOT NULL,
    dropped INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    readings INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS message_event ON message (seq) WHERE channel = 'event';

-- name: begin_epoch
INSERT OR IGNORE INTO state VALUES (1, :epoch, 0, 0, 0, 0);

-- name: state
SELECT epoch, last_seq, accepted, receipted, dropped FROM state;

-- name: depth
SELECT count(*) FROM message;

-- name: pending_readings
SELECT coalesce(sum(readings), 0) FROM message;

-- name: oldest
SELECT seq, readings FROM message ORDER BY seq LIMIT :count;

-- name: lowest
SELECT min(seq) FROM message;

-- name: insert
INSERT INTO message VALUES (:seq, :channel, :readings, :body);

-- name: save
UPDATE state SET last_seq = :last_seq, accepted = :accepted, receipted = :receipted,
    dropped = :dropped;

-- name: drop_up_to
DELETE FROM message WHERE seq <= :seq;

-- name: forget
-- What a receipt names; :above is a JSON list.
DELETE FROM message
 WHERE seq <= :low OR seq IN (SELECT value FROM json_each(:above))
RETURNING readings;

-- name: pending
SELECT seq, channel, readings, body FROM message WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: pending_events
SELECT seq, channel, readings, body FROM message
 WHERE seq > :after AND channel = 'event' ORDER BY seq LIMIT :limit;

-- name: some
SELECT seq, channel, readings, body FROM message
 WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq;
