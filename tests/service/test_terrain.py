"""The invented hills of the demo district: surveyed twice, kept once, with a slide to be found."""

import psycopg
import pytest

from simulators import terrain
from simulators.district import DEFAULT_SEED, demo_district
from twin.scenes import scenes, surfaces
from twin.store import load_district


def test_every_slope_gauge_of_the_demo_stands_on_a_hill_with_a_slide(
    conn: psycopg.Connection,
) -> None:
    district = demo_district()
    load_district(conn, district)
    assert terrain.load(conn, district, DEFAULT_SEED) == 40
    assert terrain.load(conn, district, DEFAULT_SEED) == 0
    kept = surfaces.listed(conn)
    assert len(kept) == 40
    assert {row["source"] for row in kept} == {"synthetic"}
    gauges = [d.device_id for d in district.devices if d.kind in ("tilt", "crack")]
    for gauge in gauges[::11]:
        word = scenes.facet_of(conn, gauge)
        assert word["slope_deg"] is not None, word
        assert 20 < word["ground_m"] < 200
    after, before = (row for row in kept if row["file_name"].startswith("slope-07"))
    found = surfaces.volume(conn, before["surface_id"], after["surface_id"], least_m=0.2)[2]
    # A bell holds depth * pi * (0.6 * 17) * (0.8 * 17) = 697 m³, less what the other takes of it.
    assert 400 < found.cut_m3 < 700
    assert found.fill_m3 == pytest.approx(found.cut_m3, rel=0.25)
    assert 1.0 < found.lowered_m < 2.5
    assert found.changed_m2 < 0.1 * found.area_m2
