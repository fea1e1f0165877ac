"""Local systems: their file, the fit to control points, and what the fit says of the points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyproj import Proj

from core.errors import UsageError
from geodata import frames_local
from geodata.frames import FrameUnknown, Points, frame, local_frame
from geodata.frames_fit import Bursa7, Control, Helmert4
from geodata.frames_local import Plan, converters, fit, parse, written
from geodata.frames_space import ELLIPSOIDS, LocalEllipsoid

BASE = frame("EPSG:4547")
TRUE4 = Helmert4(dx_m=-391090.5, dy_m=-2472660.6, rotation_arcsec=3500.0, scale_ppm=-12.0)
TRUE7 = Bursa7(
    tx_m=-12.5, ty_m=96.0, tz_m=61.0, rx_arcsec=1.2, ry_arcsec=-0.7, rz_arcsec=2.1, scale_ppm=-6.5
)
KRASSOVSKY = LocalEllipsoid(*ELLIPSOIDS["krassovsky"], 114.05, 0.0, 1.0, 120000.0, -2450000.0)
SPREAD = np.array(
    [[505e3, 2494e3], [521e3, 2496e3], [517e3, 2508e3], [503e3, 2510e3], [512e3, 2500e3]]
)

SHORT = """
[frame]
name = "shenzhen"
base = "EPSG:4547"
kind = "helmert4"
[helmert4]
dx_m = 391090.5
dy_m = 2472660.6
rotation_arcsec = 3500
scale_ppm = -12.0
"""


def plan(kind: str, controls: Sequence[Control] = ()) -> Plan:
    return Plan(
        name="test",
        base="EPSG:4547",
        kind=kind,
        note="",
        local=KRASSOVSKY if kind == "bursa7" else None,
        parameters=None,
        controls=tuple(controls),
    )


def controls4(noise_m: float = 0.0) -> list[Control]:
    rng = np.random.default_rng(7)
    local = TRUE4.inverse(SPREAD) + rng.normal(0, noise_m, SPREAD.shape)
    return [
        Control(name=f"P{i}", x=x, y=y, east=e, north=n)
        for i, ((x, y), (e, n)) in enumerate(zip(local.tolist(), SPREAD.tolist(), strict=True), 1)
    ]


def controls7(noise_m: float = 0.0) -> list[Control]:
    _, back = converters(plan("bursa7"), TRUE7, BASE)
    local = back(BASE.to_degrees(SPREAD)) + np.random.default_rng(8).normal(0, noise_m, (5, 2))
    return [
        Control(name=f"Q{i}", x=x, y=y, east=e, north=n)
        for i, ((x, y), (e, n)) in enumerate(zip(local.tolist(), SPREAD.tolist(), strict=True), 1)
    ]


def moved(points: list[Control], index: int, metres: float) -> list[Control]:
    wrong = replace(points[index], x=points[index].x + metres)
    return [*points[:index], wrong, *points[index + 1 :]]


def text_of(points: Sequence[Control], kind: str = "helmert4") -> str:
    held = plan(kind, points)
    return written(held, fit(held, BASE))


def test_four_parameters_are_found_again() -> None:
    found = fit(plan("helmert4", controls4()), BASE)
    parameters = found.parameters
    assert isinstance(parameters, Helmert4)
    assert parameters.rotation_arcsec == pytest.approx(3500, abs=1e-6)
    assert parameters.scale_ppm == pytest.approx(-12, abs=1e-6)
    assert found.rms_m is not None
    assert found.rms_m < 1e-6
    assert found.redundancy == 6
    assert found.outlier == ""


def test_seven_parameters_fitted_convert_as_the_true_ones_do() -> None:
    held = plan("bursa7", controls7())
    found = fit(held, BASE)
    assert found.rms_m is not None
    assert found.rms_m < 2e-3
    places = BASE.to_degrees(SPREAD.mean(axis=0) + np.array([[0.0, 0.0], [3000.0, -2000.0]]))
    mine = converters(held, found.parameters, BASE)[1](places)
    true = converters(held, TRUE7, BASE)[1](places)
    assert np.abs(mine - true).max() < 2e-3


@pytest.mark.parametrize("kind", ["helmert4", "bursa7"])
def test_a_written_file_reads_back_to_the_same_system(kind: str) -> None:
    text = text_of(controls4(0.01) if kind == "helmert4" else controls7(0.01), kind)
    once = local_frame(text)
    assert once.name == "local:test"
    assert once.accuracy_m is not None
    assert 0.001 < once.accuracy_m < 0.05
    again = parse(text)
    assert written(again, frames_local.judgement(again, BASE)).count("residual_east_m") == 5
    place = BASE.to_degrees(SPREAD)
    assert np.abs(once.to_degrees(once.from_degrees(place)) - place).max() * 111_320 < 1e-5


@given(
    dx=st.floats(-3e6, 3e6), dy=st.floats(-3e6, 3e6), turn=st.floats(-600_000, 600_000),
    scale=st.floats(-500, 500),
)  # fmt: skip
def test_any_four_parameters_come_back(dx: float, dy: float, turn: float, scale: float) -> None:
    text = (
        f'[frame]\nname="t"\nbase="EPSG:4547"\nkind="helmert4"\n[helmert4]\n'
        f"dx_m={dx!r}\ndy_m={dy!r}\nrotation_arcsec={turn!r}\nscale_ppm={scale!r}\n"
    )
    system, place = local_frame(text), BASE.to_degrees(SPREAD)
    assert np.abs(system.to_degrees(system.from_degrees(place)) - place).max() * 111_320 < 1e-5


@pytest.mark.parametrize("kind", ["helmert4", "bursa7"])
def test_the_point_that_the_others_contradict_is_named(kind: str) -> None:
    points = controls4(0.005) if kind == "helmert4" else controls7(0.005)
    found = fit(plan(kind, moved(points, 2, 8.0)), BASE)
    assert found.outlier == points[2].name
    assert "check it" in found.remarks[-1]
    assert found.residuals.shape == (5, 2)


def test_good_points_have_no_outlier() -> None:
    assert fit(plan("helmert4", controls4(0.02)), BASE).outlier == ""


def test_two_points_fix_four_parameters_and_say_nothing_of_their_quality() -> None:
    found = fit(plan("helmert4", controls4()[:2]), BASE)
    assert found.redundancy == 0
    assert "no point is left over" in found.remarks[-1]


def test_exchanged_columns_are_noticed() -> None:
    points = [replace(c, x=c.y, y=c.x) for c in controls4(0.01)]
    found = fit(plan("helmert4", points), BASE)
    assert any("exchanged" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("kind", "points", "says"),
    [
        ("helmert4", controls4()[:1], "1 different local points; 2 are needed"),
        ("helmert4", [controls4()[0], replace(controls4()[0], name="again")], "1 different"),
        ("helmert4", [controls4()[0], replace(controls4()[0], name="b", x=controls4()[0].x + 1,
                                              east=505001.0)], "within 1.000 m"),
        ("bursa7", controls7()[:2], "3 are needed"),
        ("bursa7", [Control(name=str(i), x=120e3 + i * 1e3, y=40e3, east=505e3 + i * 1e3,
                            north=2500e3) for i in range(4)], "on one line"),
    ],
)  # fmt: skip
def test_points_that_fix_nothing_are_refused_with_the_reason(
    kind: str, points: list[Control], says: str
) -> None:
    with pytest.raises(FrameUnknown, match=says) as refused:
        fit(plan(kind, points), BASE)
    assert "spread" in refused.value.remedy


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("[frame]", "[frameX]"), "frameX"),
        (('kind = "helmert4"', 'kind = "affine"'), "affine"),
        (('kind = "helmert4"', 'kind = "bursa7"'), "does not belong"),
        (('base = "EPSG:4547"', 'base = "EPSG:4490"'), "no projected"),
        (('base = "EPSG:4547"', 'base = "GCJ-02"'), "no projected"),
        (('base = "EPSG:4547"', 'base = "local:x"'), "by its file only"),
        (("dx_m = 391090.5", 'dx_m = "far"'), "dx_m"),
        (("dx_m = 391090.5", "dx_m = nan"), "dx_m"),
        (("dx_m = 391090.5", "dx_m = true"), "dx_m"),
        (("dx_m = 391090.5", "dx_m = 1e300"), "beyond"),
        (("dx_m = 391090.5", ""), "dx_m"),
        (("scale_ppm = -12.0", "scale_ppm = -1e6"), "no size"),
        (("scale_ppm = -12.0", "scale_ppm = -12.0\nshift = 1"), "shift"),
        (('name = "shenzhen"', 'name = "../x y"'), "letters"),
        (("rotation_arcsec = 3500", "rotation_arcsec = [1"), "no TOML"),
        (("[helmert4]", "[[control]]\nname='a'\n[helmert4]"), "control"),
    ],
)
def test_a_wrong_file_is_refused_naming_the_key(change: tuple[str, str], says: str) -> None:
    text = SHORT.replace(*change)
    assert text != SHORT
    with pytest.raises(FrameUnknown, match=says) as refused:
        local_frame(text)
    assert isinstance(refused.value, UsageError)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(FrameUnknown, match="UTF-8"):
        local_frame(SHORT.encode() + b"\xff\xfe")


def test_control_points_that_contradict_the_parameters_are_refused() -> None:
    far = '\n[[control]]\nname="a"\nx=1000.0\ny=2000.0\neast=900000.0\nnorth=2472000.0\n'
    with pytest.raises(FrameUnknown, match="off its parameters"):
        local_frame(SHORT + far)


@given(data=st.binary(max_size=200))
@example(data=b"[" * 5000)
def test_any_bytes_give_a_frame_or_a_refusal(data: bytes) -> None:
    for text in (data, SHORT.encode() + data):
        with suppress(FrameUnknown):
            local_frame(text)


def test_a_rotation_turns_counter_clockwise() -> None:
    quarter = Helmert4(dx_m=0, dy_m=0, rotation_arcsec=90 * 3600, scale_ppm=0)
    assert quarter.forward(np.array([[1.0, 0.0]]))[0] == pytest.approx([0.0, 1.0])
    assert math.isclose(quarter.inverse(np.array([[0.0, 1.0]]))[0, 0], 1.0)


def test_no_points_give_no_points() -> None:
    for text in (SHORT, text_of(controls7(), "bursa7")):
        system = local_frame(text)
        assert system.to_degrees(np.empty((0, 2))).shape == (0, 2)
        assert system.from_degrees([]).shape == (0, 2)


def geocentric(semi_major: float, inverse_flattening: float, lonlat: Points) -> Points:
    """The textbook's x, y, z of points at height 0."""
    lon, lat = np.radians(lonlat).T
    square = (2 - 1 / inverse_flattening) / inverse_flattening
    across = semi_major / np.sqrt(1 - square * np.sin(lat) ** 2)
    x, y = across * np.cos(lat) * np.cos(lon), across * np.cos(lat) * np.sin(lon)
    return np.column_stack([x, y, across * (1 - square) * np.sin(lat)])


def test_the_seven_parameters_turn_the_position_vector_as_epsg_9606_writes_it() -> None:
    """Against the formula of EPSG Guidance Note 7-2, and against its twin with turned signs."""
    forward, back = converters(plan("bursa7"), TRUE7, BASE)
    base = BASE.to_degrees(SPREAD)
    local = back(base)
    unprojected = Proj(
        proj="tmerc", lon_0=114.05, lat_0=0.0, k=1.0, x_0=120000.0, y_0=-2450000.0,
        a=KRASSOVSKY.semi_major_m, rf=KRASSOVSKY.inverse_flattening,
    )  # fmt: skip
    there = np.column_stack(unprojected(local[:, 0], local[:, 1], inverse=True))
    old = geocentric(*ELLIPSOIDS["krassovsky"], there)
    rx, ry, rz = np.radians([1.2 / 3600, -0.7 / 3600, 2.1 / 3600])
    turn = np.array([[1, -rz, ry], [rz, 1, -rx], [-ry, rx, 1]])
    by_hand = np.array([-12.5, 96.0, 61.0]) + (1 - 6.5e-6) * old @ turn.T
    turned = np.array([-12.5, 96.0, 61.0]) + (1 - 6.5e-6) * old @ turn
    meant = forward(local)
    up = np.column_stack(
        [np.cos(np.radians(meant[:, 1])) * np.cos(np.radians(meant[:, 0])),
         np.cos(np.radians(meant[:, 1])) * np.sin(np.radians(meant[:, 0])),
         np.sin(np.radians(meant[:, 1]))]
    )  # fmt: skip

    def off(spots: Points) -> float:
        """How far the spots lie beside ours, whatever their height."""
        apart = spots - geocentric(*ELLIPSOIDS["cgcs2000"], meant)
        flat = apart - (apart * up).sum(axis=1)[:, None] * up
        return float(np.linalg.norm(flat, axis=1).max())

    assert off(by_hand) < 1e-3
    assert off(turned) > 50
