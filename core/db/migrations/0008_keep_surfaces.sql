-- Surveyed surfaces of slopes: the points as they were given, so that a surface can be made anew.

-- The points are packed as geodata.mesh.survey says for their points_format: degrees EPSG:4490,
-- longitude first, and metres in height_datum. A dem has its rows and columns, row by row.
-- facets and report are what was made of them at the import.
CREATE TABLE surface (
    surface_id    text PRIMARY KEY CHECK (surface_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    name          text NOT NULL CHECK (name <> ''),
    space_id      integer NOT NULL REFERENCES space,
    surveyed_at   timestamptz NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('dem', 'points')),
    frame         text NOT NULL,
    height_datum  text NOT NULL,
    source        text NOT NULL,
    file_name     text NOT NULL,
    file_sha256   text NOT NULL CHECK (file_sha256 ~ '^[0-9a-f]{64}$'),
    points_format smallint NOT NULL CHECK (points_format = 1),
    points        bytea NOT NULL,
    point_count   integer NOT NULL CHECK (point_count >= 3),
    row_count     integer CHECK (row_count >= 2),
    column_count  integer CHECK (column_count >= 2),
    facet_count   integer NOT NULL CHECK (facet_count >= 1),
    area_m2       double precision NOT NULL CHECK (area_m2 > 0),
    west          double precision NOT NULL,
    south         double precision NOT NULL,
    east          double precision NOT NULL,
    north         double precision NOT NULL,
    lowest_m      double precision NOT NULL,
    highest_m     double precision NOT NULL,
    report        jsonb NOT NULL,
    imported_at   timestamptz NOT NULL DEFAULT now(),
    imported_by   text NOT NULL,
    CHECK (west <= east AND south <= north AND lowest_m <= highest_m),
    CHECK ((kind = 'dem') = (row_count IS NOT NULL AND column_count IS NOT NULL)),
    CHECK (kind = 'points' OR row_count * column_count = point_count)
);
CREATE INDEX surface_space ON surface (space_id, surveyed_at DESC);
