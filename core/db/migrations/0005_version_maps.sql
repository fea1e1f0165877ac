-- Block maps are proposals, applied as versions; every outline and position remembers its frame.

ALTER TABLE space ADD COLUMN frame text NOT NULL DEFAULT 'EPSG:4490';
ALTER TABLE device ADD COLUMN frame text NOT NULL DEFAULT 'EPSG:4490';

-- The line of all changes of the map. Numbers are drawn under the lock of the district, without
-- gaps, in the order of commits; the largest is the map in force.
CREATE TABLE map_version (
    version_id integer PRIMARY KEY CHECK (version_id > 0),
    applied_at timestamptz NOT NULL,
    applied_by text NOT NULL,
    source     text NOT NULL
        CHECK (source IN ('proposal', 'rollback', 'district load', 'before versions')),
    undoes     integer REFERENCES map_version,
    note       text NOT NULL DEFAULT '',
    CHECK ((source = 'rollback') = (undoes IS NOT NULL))
);

-- What a version did to a code: from which row of space to which. Both are the same row where only
-- words were corrected; the facts are all columns but the outline, as they were and as they became.
CREATE TABLE map_change (
    version_id integer NOT NULL REFERENCES map_version,
    code       text NOT NULL,
    before_id  integer REFERENCES space,
    after_id   integer REFERENCES space,
    before     jsonb,
    after      jsonb,
    PRIMARY KEY (version_id, code),
    CHECK ((before_id IS NULL) = (before IS NULL)),
    CHECK ((after_id IS NULL) = (after IS NULL)),
    CHECK (before_id IS NOT NULL OR after_id IS NOT NULL)
);
CREATE INDEX map_change_code ON map_change (code, version_id);

-- What got another owner by a version. No foreign key: what moved may be taken down later.
CREATE TABLE map_move (
    version_id integer NOT NULL REFERENCES map_version,
    node       text NOT NULL CHECK (node IN ('device', 'gateway')),
    node_id    text NOT NULL,
    from_code  text,
    to_code    text,
    how        text NOT NULL CHECK (how IN ('within', 'snapped', 'unplaced')),
    note       text NOT NULL DEFAULT '',
    PRIMARY KEY (version_id, node, node_id)
);
CREATE INDEX map_move_node ON map_move (node, node_id, version_id);

-- A map on its way in. `file` says where it came from, `cells` what it holds (the parent as given
-- and as found, outlines in EPSG:4490); a partial map ends nothing, one within a space only what lies
-- in it; findings, diff and moves are those against `against`.
CREATE TABLE map_proposal (
    proposal_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state       text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'applied', 'withdrawn', 'superseded')),
    made_at     timestamptz NOT NULL DEFAULT now(),
    made_by     text NOT NULL,
    note        text NOT NULL DEFAULT '',
    file        jsonb NOT NULL,
    partial     boolean NOT NULL,
    within      text,
    against     integer REFERENCES map_version,
    cells       jsonb NOT NULL,
    findings    jsonb NOT NULL,
    diff        jsonb NOT NULL,
    moves       jsonb NOT NULL,
    errors      integer NOT NULL CHECK (errors >= 0),
    warnings    integer NOT NULL CHECK (warnings >= 0),
    settled_at  timestamptz,
    settled_by  text,
    settled_note text NOT NULL DEFAULT '',
    version_id  integer UNIQUE REFERENCES map_version,
    replaced_by integer REFERENCES map_proposal,
    CHECK ((state = 'open') = (settled_at IS NULL)),
    CHECK ((settled_at IS NULL) = (settled_by IS NULL)),
    CHECK ((state = 'applied') = (version_id IS NOT NULL)),
    CHECK ((state = 'superseded') = (replaced_by IS NOT NULL)),
    CHECK (state <> 'applied' OR errors = 0)
);
CREATE INDEX map_proposal_open ON map_proposal (proposal_id) WHERE state = 'open';

-- A map that was loaded before versions were kept is the first of them.
INSERT INTO map_version (version_id, applied_at, applied_by, source)
SELECT 1, max(valid_from), 'blocktwin', 'before versions'
  FROM space WHERE valid_to IS NULL HAVING count(*) > 0;
INSERT INTO map_change (version_id, code, after_id, after)
SELECT 1, s.code, s.space_id,
       jsonb_build_object('kind', s.kind, 'name', s.name, 'name_en', s.name_en,
                          'parent', p.code, 'height_m', s.height_m, 'source', s.source,
                          'frame', s.frame)
  FROM space s LEFT JOIN space p ON p.space_id = s.parent_id
 WHERE s.valid_to IS NULL;
