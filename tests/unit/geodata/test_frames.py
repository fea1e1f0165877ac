"""Coordinate systems: known points, round trips, China's datums, and what is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import UsageError
from geodata.frames import FrameUnknown, OutOfFrame, frame, geometries, known
from geodata.frames_china import BOX

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "coords.json"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="no ../shared/vectors")
METRE_DEG = 1 / 111_320

shenzhen = st.lists(
    st.tuples(st.floats(113.75, 114.62), st.floats(22.4, 22.87)), min_size=0, max_size=20
)
china = st.tuples(st.floats(73.5, 134.8), st.floats(18.1, 53.6))
anywhere = st.tuples(st.floats(-179.9, 179.9), st.floats(-84, 84))
NAMES = ("EPSG:4490", "EPSG:4326", "EPSG:4547", "EPSG:4526", "EPSG:3857", "GCJ-02", "BD-09")


def metres_apart(one: np.ndarray, other: np.ndarray) -> float:
    if len(one) == 0:
        return 0.0
    return float(np.abs(np.asarray(one) - np.asarray(other)).max() / METRE_DEG)


@needs_vectors
@pytest.mark.parametrize(
    ("name", "key", "tolerance"),
    [
        ("GCJ-02", "gcj02_lonlat", 1e-7),
        ("BD-09", "bd09_lonlat", 1e-7),
        ("EPSG:4547", "epsg4547_east_north", 1e-3),
        ("EPSG:4526", "epsg4526_east_north", 1e-3),
    ],
)
def test_known_points_agree_in_both_directions(name: str, key: str, tolerance: float) -> None:
    vectors = json.loads(VECTORS.read_text("utf-8"))["vectors"]
    degrees = np.array([v["wgs84_lonlat"] for v in vectors])
    there = np.array([v[key] for v in vectors])
    assert np.abs(frame(name).from_degrees(degrees) - there).max() < tolerance
    assert np.abs(frame(name).to_degrees(there) - degrees).max() < 1e-7


@pytest.mark.parametrize("name", NAMES)
@given(points=shenzhen)
def test_every_system_comes_back_over_shenzhen(
    name: str, points: list[tuple[float, float]]
) -> None:
    given_points = np.array(points, dtype=float).reshape(-1, 2)
    system = frame(name)
    back = system.to_degrees(system.from_degrees(given_points))
    assert metres_apart(back, given_points) < 1e-5


@pytest.mark.parametrize("name", ["GCJ-02", "BD-09"])
@given(point=china)
@example(point=(105.0, 35.0))
@example(point=(105.0, 30.0))
@example(point=(100.0, 35.0))
def test_the_inverse_meets_the_formula_within_ten_micrometres_over_china(
    name: str, point: tuple[float, float]
) -> None:
    system, place = frame(name), np.array([point])
    assert metres_apart(system.to_degrees(system.from_degrees(place)), place) < 1e-5
    assert metres_apart(system.from_degrees(system.to_degrees(place)), place) < 1e-5


@given(point=anywhere)
def test_gcj02_leaves_alone_what_lies_outside_the_box_of_its_formula(
    point: tuple[float, float],
) -> None:
    west, south, east, north = BOX
    place = np.array([point])
    moved = metres_apart(frame("GCJ-02").from_degrees(place), place)
    if west <= point[0] <= east and south <= point[1] <= north:
        assert moved > 0
    else:
        assert moved == 0
        assert metres_apart(frame("GCJ-02").to_degrees(place), place) == 0


def test_gcj02_shifts_luohu_by_six_hundred_metres() -> None:
    place = np.array([[114.1315, 22.5484]])
    plane = frame("EPSG:4547")
    apart = plane.from_degrees(frame("GCJ-02").from_degrees(place)) - plane.from_degrees(place)
    assert 570 < np.hypot(*apart[0]) < 620


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("wgs84", "EPSG:4326"), ("WGS 84", "EPSG:4326"), ("OGC:CRS84", "EPSG:4326"),
        ("cgcs2000", "EPSG:4490"), (" CGCS 2000 ", "EPSG:4490"), ("4490", "EPSG:4490"),
        ("epsg:4547", "EPSG:4547"), ("EPSG 4547", "EPSG:4547"), ("CGCS2000 4547", "EPSG:4547"),
        ("urn:ogc:def:crs:EPSG::4526", "EPSG:4526"),
        ("http://www.opengis.net/def/crs/EPSG/0/4490", "EPSG:4490"),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "EPSG:4326"),
        ("gcj02", "GCJ-02"), ("GCJ_02", "GCJ-02"), ("火星坐标系", "GCJ-02"), ("bd09ll", "BD-09"),
        ("web mercator", "EPSG:3857"), ("900913", "EPSG:3857"),
        ("EPSG：4547", "EPSG:4547"), ("ＥＰＳＧ:4547", "EPSG:4547"),
        ("CGCS2000_3_Degree_GK_CM_114E", "EPSG:4547"),
        ("CGCS2000_3_Degree_GK_Zone_38", "EPSG:4526"),
        ("CGCS2000 / 3-degree Gauss-Kruger CM 114E", "EPSG:4547"),
        ("CGCS2000_GK_Zone_20", "EPSG:4498"), ("CGCS2000_GK_CM_117E", "EPSG:4509"),
        ("GCS_China_Geodetic_Coordinate_System_2000", "EPSG:4490"),
    ],
)  # fmt: skip
def test_spelling_is_forgiven(spelling: str, name: str) -> None:
    assert frame(spelling).name == name


@pytest.mark.parametrize("code", [*range(4491, 4555)])
def test_every_gauss_kruger_zone_of_cgcs2000_puts_its_meridian_at_its_false_easting(
    code: int,
) -> None:
    system = frame(f"EPSG:{code}")
    width, first = (6, 4491) if code < 4513 else (3, 4513)
    meridian = 75 + width * ((code - first) % (11 if width == 6 else 21))
    easting = system.from_degrees([[meridian, sum(system.bounds[1::2]) / 2]])[0, 0]
    assert easting % 1_000_000 == pytest.approx(500_000, abs=1e-6)
    assert system.projected
    assert system.accuracy_m == 0.001


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("EPSG:999999", "no code that PROJ knows"),
        ("Shenzhen independent", "no coordinate system"),
        ("", "no coordinate system"),
        ("EPSG:4479", "Geocentric"),
        ("EPSG:5555", "Compound"),
        ("EPSG:2435", "no transformation to CGCS2000"),
        ("EPSG:4610", "no transformation to CGCS2000"),
        ("local:shenzhen", "by its file only"),
        ("x" * 5000, "no coordinate system"),
        ("CGCS2000_3_Degree_GK_CM_115E", "no 3-degree zone"),
        ("CGCS2000_GK_Zone_38", "no 6-degree zone"),
    ],
)
def test_an_unknown_system_is_refused_with_the_reason(name: str, says: str) -> None:
    with pytest.raises(FrameUnknown, match=says) as refused:
        frame(name)
    assert isinstance(refused.value, UsageError)
    assert refused.value.remedy
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e12])
@pytest.mark.parametrize("name", NAMES)
def test_a_number_that_is_none_names_its_row(name: str, bad: float) -> None:
    system = frame(name)
    with pytest.raises(OutOfFrame, match="point 2: ") as refused:
        system.to_degrees(
            [[114.0, 22.5], [114.0, 22.5], [114.0, bad]]
            if not system.projected
            else [*system.from_degrees([[114.0, 22.5]] * 2).tolist(), [bad, 1.0]]
        )
    assert refused.value.row == 2


@pytest.mark.parametrize(
    ("name", "point", "says", "remedy"),
    [
        ("EPSG:4547", (114.13, 22.54), "outside", "degrees"),
        ("EPSG:4547", (38513526.0, 2494532.0), "point 0", "begins with zone 38"),
        ("EPSG:4547", (2494532.0, 513526.0), "outside", "exchanged"),
        ("EPSG:4547", (913526.0, 2494532.0), "outside", "declare"),
        ("EPSG:4526", (513526.0, 2494532.0), "point 0", "no zone number"),
        ("EPSG:4547", (202008.0, 2496485.0), "outside", "neighbouring zone"),
        ("EPSG:4547", (12701999.0, 2576483.0), "outside", "Web Mercator"),
        ("EPSG:4547", (1684797.0, 8184162.0), "outside", "feet"),
        ("EPSG:4490", (22.54, 114.13), "no degrees", "exchanged"),
        ("GCJ-02", (513526.0, 2494532.0), "no degrees", "metres"),
    ],
)
def test_a_point_outside_the_system_is_refused_with_a_likely_cause(
    name: str, point: tuple[float, float], says: str, remedy: str
) -> None:
    with pytest.raises(OutOfFrame, match=says) as refused:
        frame(name).to_degrees([point])
    assert remedy in refused.value.remedy


def test_degrees_outside_the_zone_are_refused_on_the_way_out_too() -> None:
    with pytest.raises(OutOfFrame, match=r"point 1: .*outside"):
        frame("EPSG:4547").from_degrees([[114.0, 22.5], [118.0, 22.5]])


@pytest.mark.parametrize("name", NAMES)
def test_no_points_give_no_points(name: str) -> None:
    for empty in (np.empty(0), np.empty((0, 2))):
        assert frame(name).to_degrees(empty).shape == (0, 2)
        assert frame(name).from_degrees(empty).shape == (0, 2)


@pytest.mark.parametrize("wrong", [[1.0, 2.0], [[1.0, 2.0, 3.0]], 5.0])
def test_what_is_no_list_of_pairs_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="two columns"):
        frame("EPSG:4490").to_degrees(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_thousand_points_take_less_than_two_seconds(name: str) -> None:
    rng = np.random.default_rng(1)
    places = np.column_stack((rng.uniform(113.8, 114.6, 100_000), rng.uniform(22.4, 22.8, 100_000)))
    began = time.perf_counter()
    back = frame(name).to_degrees(frame(name).from_degrees(places))
    assert time.perf_counter() - began < 2
    assert metres_apart(back, places) < 1e-5


def test_geometries_are_converted_whole_and_lose_their_heights() -> None:
    hole = shapely.Polygon(
        [(114, 22.5, 9), (114.01, 22.5, 9), (114.01, 22.51, 9)],
        [[(114.005, 22.502, 9), (114.006, 22.502, 9), (114.006, 22.503, 9)]],
    )
    shapes = np.array([hole, None, shapely.MultiPolygon([shapely.force_2d(hole)])], dtype=object)
    system = frame("EPSG:4547")
    there = geometries(shapes, system.from_degrees)
    assert there[1] is None
    assert not shapely.has_z(there[0])
    assert 1e5 < shapely.area(there[0]) < 1e6
    back = geometries(there, system.to_degrees)
    assert shapely.hausdorff_distance(back[2], shapes[2]) < 1e-10


def test_a_geometry_outside_is_named_by_its_index_not_its_vertex() -> None:
    shapes = np.array([shapely.box(113.9, 22, 114, 23), shapely.box(120, 22, 121, 23)])
    with pytest.raises(OutOfFrame) as refused:
        geometries(shapes, frame("EPSG:4547").from_degrees)
    assert refused.value.row == 1


def test_the_list_names_only_systems_that_exist() -> None:
    names = [code for one in known() for code in one.codes]
    assert len(names) == len(set(names)) == 69
    assert all(frame(name).name == name for name in names)


def test_a_foreign_datum_gives_its_published_accuracy() -> None:
    hong_kong = frame("EPSG:2326")
    assert hong_kong.accuracy_m is not None
    place = np.array([[114.17, 22.30]])
    assert metres_apart(hong_kong.to_degrees(hong_kong.from_degrees(place)), place) < 0.01
