"""The registry as it is read from a real database."""

import psycopg

from core.db import registry
from core.model import Field

SPACES = """
INSERT INTO space (code, kind, name, outline, source, parent_id) VALUES
    ('440303', 'district', '罗湖区', '{}', 'synthetic', NULL);
INSERT INTO space (code, kind, name, outline, source, parent_id)
SELECT '440303001', 'street', '桂园街道', '{}', 'synthetic', space_id FROM space
 WHERE code = '440303';
INSERT INTO space (code, kind, name, outline, source, parent_id, valid_to)
SELECT 'block-1', 'block', '旧', '{}', 'synthetic', space_id, now() FROM space
 WHERE code = '440303001';
INSERT INTO space (code, kind, name, outline, source, parent_id)
SELECT 'block-1', 'block', '新', '{}', 'synthetic', space_id FROM space
 WHERE code = '440303001';
INSERT INTO gateway (gateway_id, name, lon, lat) VALUES
    ('gw-01', 'one', 114.1, 22.5), ('gw-02', 'without devices', 114.1, 22.5);
INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id, interval_s, space_id,
                    placed_how)
SELECT 'smoke-1', 'smoke', 'fire', 'in a block', 114.1, 22.5, 'gw-01', 10, space_id, 'within'
  FROM space WHERE code = 'block-1' AND valid_to IS NULL;
INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id, interval_s, placed_how)
VALUES ('level-1', 'river_level', 'water', 'nowhere', 0, 0, 'gw-01', 2.5, 'unplaced');
INSERT INTO series (device_id, quantity) VALUES
    ('smoke-1', 'smoke_obscuration'), ('smoke-1', 'smoke_alarm'), ('level-1', 'level');
"""


def test_an_empty_store_has_an_empty_registry(conn: psycopg.Connection) -> None:
    found = registry.load(conn)
    assert (found.by_id, found.gateways, found.size) == ({}, frozenset(), 1)


def test_series_know_their_device_and_the_spaces_around_it(conn: psycopg.Connection) -> None:
    conn.execute(SPACES.encode())
    found = registry.load(conn)
    assert set(found.ids) == {
        "smoke-1:smoke_obscuration",
        "smoke-1:smoke_alarm",
        "level-1:level",
    }
    smoke = found.by_id[found.ids["smoke-1:smoke_alarm"]]
    assert smoke.spaces == ("440303", "440303001", "block-1")
    assert (smoke.kind, smoke.field, smoke.gateway_id) == ("smoke", Field.FIRE, "gw-01")
    level = found.by_id[found.ids["level-1:level"]]
    assert (level.spaces, level.interval_s) == ((), 2.5)
    assert found.gateways == {"gw-01", "gw-02"}
    assert found.by_id[smoke.series_id] is smoke


OWN = {
    "level-1": '{"quality": {"level": {"high": 5, "stuck_s": null}}}',
    "smoke-1": '{"quality": {"smoke_alarm": {"high": 2}, "smoke_obscuration": {"high": "x"}}}',
}


def test_a_device_says_what_is_plausible_of_it(conn: psycopg.Connection) -> None:
    conn.execute(SPACES.encode())
    assert {info.plausible for info in registry.load(conn).by_id.values()} == {None}
    for device, attributes in OWN.items():
        conn.execute("UPDATE device SET attributes = %s WHERE device_id = %s", (attributes, device))
    found = registry.load(conn)
    level = found.by_id[found.ids["level-1:level"]].plausible
    alarm = found.by_id[found.ids["smoke-1:smoke_alarm"]].plausible
    assert level is not None
    assert alarm is not None
    assert (level.high, level.own_stuck_s, alarm.high) == (5.0, True, 2.0)
    assert found.by_id[found.ids["smoke-1:smoke_obscuration"]].plausible is None
    assert found.faults == (
        "device smoke-1: attributes.quality.smoke_obscuration: high: must be a number",
    )


def test_series_of_one_space_share_its_lineage(conn: psycopg.Connection) -> None:
    conn.execute(SPACES.encode())
    found = registry.load(conn)
    first, second = (
        found.by_id[found.ids[f"smoke-1:{quantity}"]]
        for quantity in ("smoke_obscuration", "smoke_alarm")
    )
    assert first.spaces is second.spaces
