"""Footprints made into closed solids of the right volume."""

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geodata.mesh.judge import judge
from geodata.mesh.plane import Plane, plane_at
from geodata.mesh.solid import cap, extrude, raised
from geodata.mesh.words import Mesh, Weight, joined

COURT = shapely.Polygon(
    [(0, 0), (20, 0), (40, 0), (40, 30), (0, 30)], [[(10, 10), (10, 20), (30, 20), (30, 10)]]
)
PINCHED = shapely.Polygon([(0, 0), (10, 0), (10, 10), (0, 10), (0, 5)], [[(0, 5), (3, 7), (3, 3)]])
APART = shapely.MultiPolygon([shapely.box(0, 0, 5, 5), shapely.box(9, 0, 12, 4)])
CORNER_TO_CORNER = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(1, 1, 2, 2)])


def kinds(mesh: Mesh, *, closed: bool = True) -> list[str]:
    return [finding.kind for finding in judge(mesh, closed=closed).findings]


@pytest.mark.parametrize("shape", [shapely.box(0, 0, 8, 5), COURT, APART], ids=str)
def test_an_extrusion_is_closed_and_looks_outwards(shape: shapely.Geometry) -> None:
    judged = judge(extrude(shape, 2.0, 11.0))
    assert judged.watertight
    assert judged.findings == ()
    assert judged.volume_m3 == pytest.approx(shape.area * 9.0)


@pytest.mark.parametrize("shape", [PINCHED, CORNER_TO_CORNER], ids=["hole", "parts"])
def test_parts_that_touch_in_a_point_are_closed_and_the_touch_is_said(
    shape: shapely.Geometry,
) -> None:
    solid = extrude(shape, 0.0, 4.0)
    judged = judge(solid)
    assert judged.watertight
    assert judged.volume_m3 == pytest.approx(shape.area * 4.0)
    assert [f.weight for f in judged.findings] == [Weight.NOTE, Weight.WARNING]
    assert [f.kind for f in judged.findings] == ["duplicate_points", "non_manifold_edges"]


def test_corners_on_a_straight_side_stay_corners() -> None:
    """Ear clipping drops them, and leaves slits between caps and walls."""
    shape = shapely.Polygon([(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (0, 2), (0, 1)])
    assert judge(extrude(shape, 0.0, 1.0)).watertight
    assert len(cap(shape).points) == 8


@settings(deadline=None, max_examples=60)
@given(
    radii=st.lists(st.floats(3.0, 40.0), min_size=3, max_size=24),
    hole=st.floats(0.0, 0.9),
    low=st.floats(-50.0, 50.0),
    height=st.floats(0.5, 300.0),
)
def test_any_star_with_a_hole_has_area_times_height(
    radii: list[float], hole: float, low: float, height: float
) -> None:
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    ring = np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    shape = shapely.Polygon(ring)
    if hole > 0.1:
        shape = shape.difference(shapely.Polygon(ring * hole))
    assume(shape.is_valid and shape.geom_type == "Polygon" and shape.area > 0.1)
    judged = judge(extrude(shape, low, low + height))
    assert judged.watertight
    assert judged.volume_m3 == pytest.approx(shape.area * height, rel=1e-6)


def test_a_solid_without_height_is_refused_and_nothing_stays_nothing() -> None:
    with pytest.raises(ValueError, match="needs a height"):
        extrude(COURT, 3.0, 3.0)
    assert len(raised(cap(shapely.Polygon()), 0.0, 1.0).faces) == 0


def test_a_hole_and_a_turned_face_and_a_doubled_one_are_found() -> None:
    box = extrude(shapely.box(0, 0, 1, 1), 0.0, 1.0)
    assert kinds(Mesh(points=box.points, faces=box.faces[1:])) == ["not_watertight"]
    assert kinds(Mesh(points=box.points, faces=box.faces[1:]), closed=False) == []
    turned = box.faces.copy()
    turned[0] = turned[0, ::-1]
    assert kinds(Mesh(points=box.points, faces=turned)) == ["inconsistent_winding"]
    twice = np.vstack([box.faces, box.faces[:1]])
    assert "duplicate_faces" in kinds(Mesh(points=box.points, faces=twice))


def test_inside_out_is_found_by_its_volume() -> None:
    box = extrude(shapely.box(0, 0, 2, 3), 0.0, 4.0)
    judged = judge(Mesh(points=box.points, faces=box.faces[:, ::-1]))
    assert [f.kind for f in judged.findings] == ["flipped"]
    assert judged.volume_m3 == pytest.approx(-24.0)


def test_degenerate_faces_lost_points_and_far_or_huge_meshes_are_found() -> None:
    box = extrude(shapely.box(0, 0, 1, 1), 0.0, 1.0)
    flat = np.vstack([box.faces, [[0, 0, 1]]])
    assert kinds(Mesh(points=box.points, faces=flat)) == ["degenerate_faces"]
    beyond = np.vstack([box.faces, [[0, 1, 999]]])
    assert kinds(Mesh(points=box.points, faces=beyond)) == ["not_finite"]
    nowhere = Mesh(points=np.vstack([box.points, [[np.nan, 0, 0]]]), faces=box.faces)
    assert kinds(nowhere) == []
    assert "far_from_origin" in kinds(Mesh(points=box.points + 2_500_000.0, faces=box.faces))
    assert "huge" in kinds(Mesh(points=box.points * 90_000.0, faces=box.faces))
    assert kinds(Mesh(points=np.empty((0, 3)), faces=np.empty((0, 3), dtype=np.int64))) == [
        "not_watertight"
    ]


def test_two_boxes_joined_have_both_volumes() -> None:
    pair = joined([extrude(shapely.box(i, 0, i + 1, 1), 0.0, 2.0) for i in (0, 5)])
    assert judge(pair).volume_m3 == pytest.approx(4.0)


@settings(deadline=None, max_examples=60)
@given(
    lon=st.floats(74.0, 134.0), lat=st.floats(4.0, 53.0),
    east=st.floats(-2000.0, 2000.0), north=st.floats(-2000.0, 2000.0),
)  # fmt: skip
def test_the_plane_goes_back_and_keeps_distances(
    lon: float, lat: float, east: float, north: float
) -> None:
    plane = Plane(lon=lon, lat=lat)
    degrees = plane.degrees(np.array([[east, north], [0.0, 0.0]]))
    assert np.abs(plane.metres(degrees)[0] - [east, north]).max() < 1e-5
    from pyproj import Geod

    far = Geod(ellps="GRS80").inv(*degrees[1], *degrees[0])[2]
    assert far == pytest.approx(np.hypot(east, north), rel=1e-6, abs=1e-4)


def test_the_origin_of_a_block_does_not_hang_on_the_last_digit() -> None:
    box = np.array([[114.1, 22.5], [114.2, 22.6]])
    assert plane_at(box) == plane_at(box + 1e-9) == Plane(lon=114.15, lat=22.55)
