-- Standard addresses, for the address service.

-- One row an address. `normal` is its normal form and names it; a house code names it as well. The
-- position is EPSG:4490 whatever frame it was delivered in; an address without one stands where its
-- space does. Codes of spaces are text and no reference: a redrawn space is a new row.
CREATE TABLE address (
    address_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text          text NOT NULL CHECK (length(text) BETWEEN 1 AND 200),
    normal        text NOT NULL CHECK (length(normal) BETWEEN 1 AND 400),
    parts         jsonb NOT NULL,
    space_code    text,
    lon           double precision CHECK (lon BETWEEN -180 AND 180),
    lat           double precision CHECK (lat BETWEEN -90 AND 90),
    frame         text NOT NULL DEFAULT 'EPSG:4490',
    source        text NOT NULL,
    building_code text CHECK (building_code ~ '^[0-9]{19}$'),
    house_code    text CHECK (house_code ~ '^[0-9]{25}$'),
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CHECK ((lon IS NULL) = (lat IS NULL)),
    CHECK (lon IS NOT NULL OR space_code IS NOT NULL)
);
CREATE UNIQUE INDEX address_normal ON address (normal);
CREATE UNIQUE INDEX address_house ON address (house_code) WHERE house_code IS NOT NULL;
CREATE INDEX address_building ON address (building_code) WHERE building_code IS NOT NULL;
