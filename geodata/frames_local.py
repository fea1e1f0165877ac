"""A coordinate system that its owner supplies, e.g. Shenzhen's independent one: its TOML file.

Two kinds, both towards a projected EPSG system (``base``):

``helmert4``, in the plane: ``E = dx + m (x cos r - y sin r)``, ``N = dy + m (x sin r + y cos r)``,
    m = 1 + scale, r counter-clockwise. Good over a city.
``bursa7``, in space: the local x, y are unprojected on the system's own ellipsoid (transverse
    Mercator), moved by seven parameters (position vector rotation, as EPSG method 9606 has it),
    and projected in ``base``. Ellipsoidal height 0 is assumed.

A file has parameters, or control points, or both; then they must agree within a metre.
Fitting is ``geodata.frames_fit``'s. Pure: takes and gives text.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from pyproj import Transformer
from pyproj.exceptions import ProjError

from geodata.frames_fit import (
    Bursa7,
    Control,
    Degenerate,
    Fit,
    Helmert4,
    Parameters,
    fit_helmert4,
    judged,
)
from geodata.frames_space import LocalEllipsoid, fit_bursa7, pipeline
from geodata.frames_words import HUGE, Convert, Frame, FrameUnknown, Points

KINDS = ("helmert4", "bursa7")
AGREE_M = 1.0
_MOST_BYTES = 1_000_000
_MOST_POINTS = 10_000
_ROUNDS = 5

_TOP = {"frame", "local", "helmert4", "bursa7", "control", "fit"}
_FRAME = {"name", "base", "kind", "note"}
_CONTROL = {"name", "x", "y", "east", "north", "residual_east_m", "residual_north_m"}
_HELMERT4 = ("dx_m", "dy_m", "rotation_arcsec", "scale_ppm")
_BURSA7 = ("tx_m", "ty_m", "tz_m", "rx_arcsec", "ry_arcsec", "rz_arcsec", "scale_ppm")
_LOCAL = (
    "semi_major_m", "inverse_flattening", "central_meridian_deg", "latitude_of_origin_deg",
    "scale", "false_easting_m", "false_northing_m",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A local system as its file has it."""

    name: str
    base: str
    kind: str
    note: str
    local: LocalEllipsoid | None
    parameters: Parameters | None
    controls: tuple[Control, ...]


def parse(text: str | bytes) -> Plan:
    """Read the TOML text of a local system.

    Raises:
        FrameUnknown: naming the key that is wrong.
    """
    table = _toml(text)
    _only(table, _TOP, "the file")
    head = _table(table, "frame")
    _only(head, _FRAME, "[frame]")
    name, base, kind = (_word(head, key) for key in ("name", "base", "kind"))
    if not re.fullmatch(r"[\w.-]{1,40}", name):
        raise FrameUnknown(f"[frame] name {name!r} is not 1 to 40 letters, digits, '.', '-', '_'")
    if kind not in KINDS:
        raise FrameUnknown(f"[frame] kind {kind!r} is none of {', '.join(KINDS)}")
    wrong = {"helmert4": ("bursa7", "local"), "bursa7": ("helmert4",)}[kind]
    for key in wrong:
        if key in table:
            raise FrameUnknown(f"[{key}] does not belong to kind {kind!r}")
    return Plan(
        name=name,
        base=base,
        kind=kind,
        note=str(head.get("note", "")),
        local=LocalEllipsoid(*_numbers(table, "local", _LOCAL)) if kind == "bursa7" else None,
        parameters=_parameters(table, kind),
        controls=_controls(table.get("control", [])),
    )


def built(plan: Plan, base: Frame, name: str) -> Frame:
    """Return the system as a frame; fits its parameters where the file has only control points.

    Raises:
        FrameUnknown: if base is not projected, the points do not fix it, or contradict it.
    """
    fitted = judgement(plan, base)
    rms = fitted.rms_m
    if plan.parameters is not None and rms is not None and rms > AGREE_M:
        raise FrameUnknown(
            f"the control points of local:{name} lie {rms:.3f} m (RMS) off its parameters",
            remedy="one of the two belongs to another pair of systems; leave one out",
        )
    said = f"RMS {rms:.3f} m at {len(plan.controls)} control points" if rms is not None else ""
    there, back = converters(plan, fitted.parameters, base)
    return Frame(
        name=f"local:{name}",
        projected=True,
        accuracy_m=rms,
        note="; ".join(part for part in (plan.note, f"{plan.kind} onto {base.name}", said) if part),
        title=name,
        bounds=base.bounds,
        _to=there,
        _from=back,
    )


def judgement(plan: Plan, base: Frame) -> Fit:
    """Return the parameters of a plan, and how far its control points lie off them."""
    if not base.projected or base.name.startswith("local:"):
        raise FrameUnknown(
            f"base {base.name} is no projected EPSG system", remedy='write e.g. base = "EPSG:4547"'
        )
    if plan.parameters is not None:
        return judged(plan.parameters, plan.controls, _onto_base(plan, plan.parameters, base))
    if not plan.controls:
        raise FrameUnknown(f"local system {plan.name!r} has neither [{plan.kind}] nor [[control]]")
    return fit(plan, base)


def fit(plan: Plan, base: Frame) -> Fit:
    """Fit the parameters of a plan to its control points, by least squares.

    Raises:
        FrameUnknown: if the points do not fix them; the sentence says why.
    """
    try:
        if plan.local is None:
            return fit_helmert4(plan.controls)
        local = plan.local
        return fit_bursa7(
            plan.controls,
            local,
            base.to_degrees,
            lambda parameters: _onto_base(plan, parameters, base),
        )
    except Degenerate as reason:
        raise FrameUnknown(
            f"the control points do not fix a {plan.kind} system: {reason}",
            remedy="add points that are spread over the area in both directions",
        ) from reason


def converters(plan: Plan, parameters: Parameters, base: Frame) -> tuple[Convert, Convert]:
    """Return the ways to degrees and back."""
    if isinstance(parameters, Helmert4):
        plane = parameters
        return (
            lambda xy: base.to_degrees(plane.forward(xy)),
            lambda lonlat: plane.inverse(base.from_degrees(lonlat)),
        )
    moved = _moved(plan, parameters)
    return lambda xy: _through(moved, xy), lambda lonlat: _undone(moved, lonlat)


def _onto_base(plan: Plan, parameters: Parameters, base: Frame) -> Convert:
    """Return local x, y -> base east, north."""
    if isinstance(parameters, Helmert4):
        return parameters.forward
    moved = _moved(plan, parameters)
    return lambda xy: base.from_degrees(_through(moved, xy))


def _moved(plan: Plan, parameters: Bursa7) -> Transformer:
    assert plan.local is not None
    try:
        return Transformer.from_pipeline(pipeline(plan.local, parameters))
    except ProjError as refused:
        raise FrameUnknown(f"PROJ refuses the parameters of {plan.name!r}: {refused}") from refused


def _through(moved: Transformer, xy: Points) -> Points:
    lon, lat, _ = moved.transform(xy[:, 0], xy[:, 1], np.zeros(len(xy)))
    return np.column_stack((lon, lat))


def _undone(moved: Transformer, lonlat: Points) -> Points:
    """Find what goes to these degrees: the pipeline back with height 0 is right to a millimetre,
    for the height was lost on the way; what is missing is added to the aim and tried again.
    """  # noqa: D205
    aim, found = lonlat.copy(), lonlat
    for _ in range(_ROUNDS):
        x, y, _ = moved.transform(aim[:, 0], aim[:, 1], np.zeros(len(aim)), direction="INVERSE")
        found = np.column_stack((x, y))
        aim += lonlat - _through(moved, found)
    return found


def _parameters(table: Mapping[str, Any], kind: str) -> Parameters | None:
    if kind not in table:
        return None
    if kind == "helmert4":
        plane = Helmert4(**dict(zip(_HELMERT4, _numbers(table, kind, _HELMERT4), strict=True)))
        if plane.scale_ppm <= -1e6:
            raise FrameUnknown(f"[helmert4] scale_ppm {plane.scale_ppm} leaves no size at all")
        return plane
    return Bursa7(**dict(zip(_BURSA7, _numbers(table, kind, _BURSA7), strict=True)))


def _controls(given: object) -> tuple[Control, ...]:
    if not isinstance(given, list) or len(given) > _MOST_POINTS:
        raise FrameUnknown(f"[[control]] is a list of at most {_MOST_POINTS} tables")
    found = []
    for number, one in enumerate(given, start=1):
        where = f"[[control]] {number}"
        if not isinstance(one, dict):
            raise FrameUnknown(f"{where} is no table")
        _only(one, _CONTROL, where)
        x, y, east, north = (_number(one, key, where) for key in ("x", "y", "east", "north"))
        name = str(one.get("name", number))[:100]
        found.append(Control(name=name, x=x, y=y, east=east, north=north))
    names = [control.name for control in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FrameUnknown(f"two control points are called {twice!r}")
    return tuple(found)


def _toml(text: str | bytes) -> dict[str, Any]:
    if len(text) > _MOST_BYTES:
        raise FrameUnknown(f"the file of a local system has more than {_MOST_BYTES} bytes")
    try:
        return tomllib.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except UnicodeDecodeError as undecodable:
        raise FrameUnknown("the file of a local system is not UTF-8 text") from undecodable
    except (tomllib.TOMLDecodeError, RecursionError) as wrong:
        raise FrameUnknown(f"the file of a local system is no TOML: {wrong}") from wrong


def _only(table: Mapping[str, Any], allowed: set[str], where: str) -> None:
    extra = sorted(set(table) - allowed)
    if extra:
        raise FrameUnknown(f"{where} has {extra[0]!r}; known are {', '.join(sorted(allowed))}")


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = table.get(key)
    if not isinstance(found, dict):
        raise FrameUnknown(f"the file of a local system has no table [{key}]")
    return found


def _word(table: Mapping[str, Any], key: str) -> str:
    found = table.get(key)
    if not isinstance(found, str) or not found:
        raise FrameUnknown(f"[frame] {key} is missing, or no text")
    return found


def _numbers(table: Mapping[str, Any], key: str, names: Sequence[str]) -> list[float]:
    held = _table(table, key)
    _only(held, set(names), f"[{key}]")
    return [_number(held, name, f"[{key}]") for name in names]


def _number(table: Mapping[str, Any], key: str, where: str) -> float:
    found = table.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise FrameUnknown(f"{where} {key} is missing, or no finite number")
    if abs(found) > HUGE:
        raise FrameUnknown(f"{where} {key} {found:g} is beyond {HUGE:g}")
    return float(found)


def written(plan: Plan, fit: Fit) -> str:
    """Return the TOML text of a system with its parameters, control points and residuals."""
    lines = ["[frame]", f"name = {_quoted(plan.name)}", f"base = {_quoted(plan.base)}"]
    lines += [f"kind = {_quoted(plan.kind)}"]
    lines += [f"note = {_quoted(plan.note)}"] if plan.note else []
    if plan.local is not None:
        values = [getattr(plan.local, name) for name in _LOCAL]
        lines += ["", "[local]", *(f"{k} = {v!r}" for k, v in zip(_LOCAL, values, strict=True))]
    found = fit.parameters
    lines += ["", f"[{plan.kind}]"]
    lines += [f"{one.name} = {getattr(found, one.name)!r}" for one in fields(found)]
    lines += ["", "[fit]", f"rms_m = {fit.rms_m or 0.0:.6f}", f"redundancy = {fit.redundancy}"]
    lines += [f"outlier = {_quoted(fit.outlier)}"]
    lines += [f"# {remark}" for remark in fit.remarks]
    for control, (east, north) in zip(plan.controls, fit.residuals.tolist(), strict=True):
        lines += ["", "[[control]]", f"name = {_quoted(control.name)}"]
        lines += [f"{key} = {getattr(control, key)!r}" for key in ("x", "y", "east", "north")]
        lines += [f"residual_east_m = {east:.6f}", f"residual_north_m = {north:.6f}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
