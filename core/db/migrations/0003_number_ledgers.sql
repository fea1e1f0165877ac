-- Two workers that read the same spool notice each other, and `latest` may follow the readings.

-- Counts the writes of a ledger; a worker that writes on an older one than it has read comes again.
ALTER TABLE uplink ADD COLUMN version bigint NOT NULL DEFAULT 0;

-- Device time from which on `latest` has still to follow what this worker has stored; null: up to date.
ALTER TABLE tally ADD COLUMN latest_from timestamptz;
