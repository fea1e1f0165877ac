-- A reject can be brought back: it keeps what is needed to read it again, and what became of it.

-- content_type: how the payload is read; empty is JSON. device and quantity: what the reading was of,
-- null for a whole message and for a name that is none.
ALTER TABLE rejected ADD COLUMN content_type text NOT NULL DEFAULT '';
ALTER TABLE rejected ADD COLUMN device text;
ALTER TABLE rejected ADD COLUMN quantity text;
ALTER TABLE rejected ADD COLUMN resolved_at timestamptz;
ALTER TABLE rejected ADD COLUMN resolution text;
ALTER TABLE rejected ADD CHECK ((resolved_at IS NULL) = (resolution IS NULL));

-- Until now the name stood only at the head of the sentence, as `device:quantity: why`.
UPDATE rejected
   SET device = split_part(detail, ':', 1), quantity = split_part(detail, ':', 2)
 WHERE reason IN ('bad_value', 'bad_time', 'bad_unit', 'unknown_device', 'unknown_quantity',
                  'foreign_gateway');

CREATE INDEX rejected_open ON rejected (reason, rejected_id) WHERE resolved_at IS NULL;
CREATE INDEX rejected_open_device ON rejected (device, rejected_id) WHERE resolved_at IS NULL;
