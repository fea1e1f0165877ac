"""Surveyed points made into surfaces: slopes, aspects, doubts, and what changed between two."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.mesh.facets import Footing, aspects, classes, slopes
from geodata.mesh.tin import Surface, surface
from geodata.mesh.volume import change
from geodata.mesh.words import Mesh, MeshRefused

F8 = npt.NDArray[np.float64]


def lattice(side: float = 100.0, step: float = 5.0) -> F8:
    line = np.arange(-side / 2, side / 2 + step / 2, step)
    x, y = np.meshgrid(line, line[::-1])
    return np.column_stack([x.ravel(), y.ravel()])


def scattered(number: int, seed: int, half: float = 50.0) -> F8:
    """Points at random over a square, with its rim so that it is covered whole."""
    inner = np.random.default_rng(seed).uniform(1 - half, half - 1, (number, 2))
    line = np.linspace(-half, half, 15)
    rim = [(x, y) for x in line for y in (-half, half)] + [
        (x, y) for y in line for x in (-half, half)
    ]
    return np.vstack([inner, np.unique(np.array(rim), axis=0)])


def over(xy: F8, height: F8 | float) -> Surface:
    return surface(np.column_stack([xy, np.zeros(len(xy)) + height]))


def kinds(made: Surface) -> list[str]:
    return [finding.kind for finding in made.findings]


@pytest.mark.parametrize(
    ("east", "north", "aspect"),
    [(-1, 0, 90), (1, 0, 270), (0, -1, 0), (0, 1, 180), (-1, -1, 45), (-2, 1, 116.565)],
)  # fmt: skip
def test_a_plane_falls_where_its_gradient_says(east: float, north: float, aspect: float) -> None:
    xy = scattered(200, 1)
    made = over(xy, 0.3 * (east * xy[:, 0] + north * xy[:, 1]))
    steep = np.degrees(np.arctan(0.3 * np.hypot(east, north)))
    assert np.allclose(slopes(made.mesh), steep)
    assert np.allclose((aspects(made.mesh) - aspect + 180) % 360 - 180, 0, atol=1e-3)


def test_level_ground_falls_nowhere() -> None:
    made = over(lattice(), 12.0)
    assert np.allclose(slopes(made.mesh), 0)
    assert np.isnan(aspects(made.mesh)).all()
    assert (classes(slopes(made.mesh)) == 0).all()


def test_a_cone_is_equally_steep_all_around() -> None:
    angle, radius = np.meshgrid(np.linspace(0, 2 * np.pi, 73)[:-1], np.linspace(5, 50, 10))
    xy = np.column_stack([(radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()])
    made = over(xy, 40.0 - 0.7 * np.hypot(*xy.T))
    middle = made.mesh.corners().mean(axis=1)
    outer = np.hypot(middle[:, 0], middle[:, 1]) > 6
    assert np.abs(slopes(made.mesh)[outer] - np.degrees(np.arctan(0.7))).max() < 0.2
    away = np.degrees(np.arctan2(middle[outer, 0], middle[outer, 1]))
    assert np.abs((aspects(made.mesh)[outer] - away + 180) % 360 - 180).max() < 3.0


def test_a_sensor_stands_on_its_facet_and_outside_is_told_how_far() -> None:
    xy = lattice()
    footing = Footing(over(xy, 20.0 + 0.5 * xy[:, 1]).mesh)
    inside, edge, outside = footing.stands(np.array([[1.2, 3.4], [0.0, 0.0], [80.0, 0.0]]))
    assert inside.slope_deg == pytest.approx(26.565, abs=1e-3)
    assert inside.aspect_deg == pytest.approx(180.0)
    assert inside.height_m == pytest.approx(21.7)
    assert edge.facet is not None
    assert (outside.facet, outside.slope_deg, outside.height_m) == (None, None, None)
    assert outside.away_m == pytest.approx(30.0)


def test_on_a_ridge_the_steeper_side_is_taken() -> None:
    points = np.array([[-1, 0, 0], [0, 0, 0], [0, 1, 0], [-1, 1, 0], [1, 0, -3], [1, 1, -3.0]])
    stand = Footing(surface(points).mesh).stands(np.array([[0.0, 0.5]]))[0]
    assert stand.slope_deg == pytest.approx(71.565, abs=1e-3)
    assert stand.aspect_deg == pytest.approx(90.0)


def test_repeated_points_are_averaged_and_a_contradiction_is_said() -> None:
    xy = lattice()
    once = np.column_stack([xy, np.zeros(len(xy))])
    assert kinds(surface(np.vstack([once, once[:5]]))) == ["duplicate_points"]
    other = surface(np.vstack([once, once[7:8] + np.array([0, 0, 3.0])]))
    assert "3.00 m" in other.findings[0].detail
    assert other.mesh.points[:, 2].max() == pytest.approx(1.5)


def test_a_spike_is_left_out_and_a_terrace_is_not() -> None:
    xy = scattered(600, 4)
    step = np.where(xy[:, 0] > 0, 6.0, 0.0)
    assert kinds(over(xy, step)) == []
    height = step.copy()
    height[[5, 77]] += (25.0, -30.0)
    made = over(xy, height)
    assert kinds(made) == ["spike"]
    assert made.findings[0].count == 2
    assert made.mesh.points[:, 2].max() == 6.0


@pytest.mark.parametrize("number", [3, 10, 200])
def test_points_on_one_line_are_refused(number: int) -> None:
    along = np.linspace(0, 100, number)
    with pytest.raises(MeshRefused, match="on one line"):
        surface(np.column_stack([along, 2 * along + 1, along]))
    with pytest.raises(MeshRefused, match="make no surface"):
        surface(np.zeros((number, 3)))


def test_points_without_numbers_are_left_out() -> None:
    points = np.column_stack([lattice(), np.zeros(len(lattice()))])
    points[3, 2], points[9, 0] = np.nan, np.inf
    made = surface(points)
    assert kinds(made) == ["not_finite"]
    assert made.findings[0].count == 2


def test_long_triangles_over_a_bay_are_let_go() -> None:
    xy = lattice(side=100, step=2.0)
    horseshoe = xy[~((np.abs(xy[:, 0]) < 25) & (xy[:, 1] > -20))]
    made = over(horseshoe, 0.0)
    assert kinds(made) == ["long_edges"]
    footing = Footing(made.mesh)
    bay, arm = footing.stands(np.array([[0.0, 45.0], [-40.0, 45.0]]))
    assert bay.facet is None
    assert arm.facet is not None


def test_a_grid_keeps_its_holes_and_its_diagonals() -> None:
    points = np.column_stack([lattice(step=10), np.zeros(121)])
    whole = surface(points, shape=(11, 11))
    assert len(whole.mesh.faces) == 200
    assert whole.area_m2 == pytest.approx(10_000)
    points[60, 2] = np.nan
    holed = surface(points, shape=(11, 11))
    assert len(holed.mesh.faces) == 192
    assert kinds(holed) == ["no_data"]
    with pytest.raises(MeshRefused, match="does not hold"):
        surface(points, shape=(11, 10))
    points[:, 2] = np.nan
    with pytest.raises(MeshRefused, match="no cell"):
        surface(points, shape=(11, 11))


@settings(deadline=None, max_examples=60)
@given(
    rise=st.floats(-30, 30), east=st.floats(-0.5, 0.5), north=st.floats(-0.5, 0.5),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_between_two_planes_the_volume_is_exact(
    rise: float, east: float, north: float, seed: int
) -> None:
    """The integral of a linear function over a centred square is its value in the middle."""
    one, other = scattered(30, seed), scattered(25, seed + 1000)
    ground = 3.0 + 0.2 * one[:, 0]
    built = 3.0 + 0.2 * other[:, 0] + rise + east * other[:, 0] + north * other[:, 1]
    found = change(over(one, ground).mesh, over(other, built).mesh)
    assert found.area_m2 == pytest.approx(10_000, rel=1e-9)
    assert found.net_m3 == pytest.approx(rise * 10_000, abs=1e-4)
    assert found.cut_m3 >= 0 <= found.fill_m3
    back = change(over(other, built).mesh, over(one, ground).mesh)
    assert back.cut_m3 == pytest.approx(found.fill_m3, abs=1e-4)
    assert back.fill_m3 == pytest.approx(found.cut_m3, abs=1e-4)


def test_a_tilted_plane_cuts_as_much_as_it_fills() -> None:
    """z = 0.1 x over a square of side 100: each half is 0.1 * 50 / 2 * 5,000 m² = 12,500 m³."""
    one, other = scattered(40, 1), scattered(50, 2)
    found = change(over(one, 0.0).mesh, over(other, 0.1 * other[:, 0]).mesh)
    assert found.cut_m3 == pytest.approx(12_500, rel=1e-9)
    assert found.fill_m3 == pytest.approx(12_500, rel=1e-9)
    assert (found.lowered_m, found.raised_m) == pytest.approx((5.0, 5.0))


def test_what_changed_less_than_the_surveys_can_tell_does_not_count() -> None:
    """Of z = 0.1 x only |z| > 2 counts: x from 20 to 50, mean 3.5 m over 3,000 m² on each side."""
    one, other = scattered(40, 1), scattered(50, 2)
    found = change(over(one, 0.0).mesh, over(other, 0.1 * other[:, 0]).mesh, least_m=2.0)
    assert found.fill_m3 == pytest.approx(10_500, rel=1e-9)
    assert found.cut_m3 == pytest.approx(10_500, rel=1e-9)
    assert found.changed_m2 == pytest.approx(6_000, rel=1e-9)


def test_a_heap_has_the_volume_of_its_paraboloid() -> None:
    """z = h (1 - r²/R²) holds pi R² h / 2; the facets' own error at 1 m is under a thousandth."""
    xy = lattice(side=60, step=1.0)
    heap = np.maximum(0.0, 8.0 * (1 - (xy**2).sum(axis=1) / 20.0**2))
    found = change(over(lattice(side=60, step=7.5), 0.0).mesh, over(xy, heap).mesh)
    assert found.fill_m3 == pytest.approx(np.pi * 400 * 8 / 2, rel=2e-3)
    assert found.cut_m3 == pytest.approx(0.0, abs=1e-9)


def test_a_cone_of_facets_is_exact_on_any_other_triangulation() -> None:
    """A pyramid of 72 sides: its base's area times a third of its height."""
    angle = np.linspace(0, 2 * np.pi, 73)[:-1]
    base = 30.0 * np.column_stack([np.cos(angle), np.sin(angle)])
    pyramid = np.vstack([np.column_stack([base, np.zeros(72)]), [[0.0, 0.0, 15.0]]])
    area = 0.5 * 72 * 30.0**2 * np.sin(2 * np.pi / 72)
    found = change(over(scattered(300, 8), 0.0).mesh, surface(pyramid).mesh)
    assert found.fill_m3 == pytest.approx(area * 15 / 3, rel=1e-9)
    assert found.area_m2 == pytest.approx(area, rel=1e-9)


def test_the_same_plan_needs_no_overlay_and_gives_the_same() -> None:
    xy = lattice(step=10)
    flat, bumpy = np.zeros(121), np.sin(xy[:, 0] / 9) + 0.1
    one = surface(np.column_stack([xy, flat]), shape=(11, 11))
    other = surface(np.column_stack([xy, bumpy]), shape=(11, 11))
    direct = change(one.mesh, other.mesh)
    overlaid = change(over(scattered(60, 3), 0.0).mesh, other.mesh)
    assert direct.cut_m3 == pytest.approx(overlaid.cut_m3, rel=1e-6)
    assert direct.fill_m3 == pytest.approx(overlaid.fill_m3, rel=1e-6)


def test_surveys_apart_cannot_be_compared() -> None:
    with pytest.raises(MeshRefused, match="no ground in common"):
        change(over(lattice(), 0.0).mesh, over(lattice() + 500, 0.0).mesh)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 6))
def test_any_points_give_a_surface_that_looks_up_or_a_reason(
    seed: int, number: int, steps: int
) -> None:
    """Few places, so that many coincide or stand on lines."""
    points = np.random.default_rng(seed).integers(0, steps + 1, (number, 3)).astype(np.float64)
    try:
        made = surface(points)
    except MeshRefused:
        return
    assert (made.mesh.crosses()[:, 2] > 0).all()
    assert made.area_m2 <= steps * steps + 1e-9


def test_an_aspect_is_less_than_360_a_hair_west_of_north() -> None:
    points = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 1e-16], [0.0, 1.0, -1.0]])
    made = Mesh(points=points, faces=np.array([[0, 1, 2]]))
    assert aspects(made).tolist() == [0.0]
