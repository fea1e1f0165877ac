"""Which coordinate system a file is in: what it says itself, and what its numbers allow.

Numbers never decide: GCJ-02 and WGS 84 look alike, and so do neighbouring zones. A person declares
the system; this says what speaks for and against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from core.errors import UsageError
from geodata.frames import Frame, FrameUnknown, OutOfFrame, frame
from geodata.frames_words import Points
from geodata.maps.inspection import FrameSeen
from geodata.maps.model import Finding, Weight, told
from geodata.maps.raw import RawLayer
from geodata.said import Said

METRES_PER_DEGREE = 111_320.0
_SAME_M = 1.0
_SAMPLE = 200
_MATCH = 70
_DEGREES = ("EPSG:4490", "EPSG:4326", "GCJ-02", "BD-09")
Box = tuple[float, float, float, float]


class FrameUndeclared(UsageError):
    """Nobody said which coordinate system the file is in; the sentence has the evidence."""


def bounds_of(layers: Sequence[RawLayer]) -> Box | None:
    """Return the extent of layers in the file's coordinates, None without a finite vertex."""
    points = _points(layers)
    if not len(points):
        return None
    (west, south), (east, north) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return (west, south, east, north)


def seen(layers: Sequence[RawLayer]) -> FrameSeen:
    """Return what speaks for which coordinate system."""
    said = [layer.crs for layer in layers if layer.crs]
    declared = said[0] if said else ""
    name = named(declared)
    sentences = [_declaration(declared, name)]
    if len(set(said)) > 1:
        sentences.append(f"its layers declare {len(set(said))} different systems")
    box = bounds_of(layers)
    possible: tuple[str, ...] = ()
    if box is None:
        sentences.append("it has no vertices")
    else:
        possible, sentence = _by_size(box)
        sentences.append(sentence)
    return FrameSeen(declared=declared, named=name, possible=possible, sentences=tuple(sentences))


def named(declared: str) -> str:
    """Return the frame that a file's declaration means, or "" if it cannot be named."""
    if not declared:
        return ""
    try:
        return frame(declared).name
    except FrameUnknown:
        pass
    try:
        code = CRS.from_user_input(declared).to_epsg(min_confidence=_MATCH)
        return frame(f"EPSG:{code}").name if code else ""
    except (CRSError, FrameUnknown):
        return ""


def undeclared(name: str, found: FrameSeen) -> FrameUndeclared:
    """Return the refusal of a file whose system nobody declared."""
    return FrameUndeclared(
        f"{name}: nobody declared its coordinate system; {'; '.join(found.sentences)}",
        remedy="declare one"
        + (f", e.g. {', '.join(found.possible[:4])}" if found.possible else ""),
    )


def contradictions(layers: Sequence[RawLayer], declared: Frame) -> Iterator[Finding]:
    """Yield a finding for each other system than the declared one that the file itself names."""
    said: dict[str, list[RawLayer]] = {}
    for layer in layers:
        if layer.crs:
            said.setdefault(layer.crs, []).append(layer)
    for crs, those in said.items():
        found = _contradiction(crs, those, declared)
        if found is None:
            continue
        alone = len(said) > 1 and len(those) == 1
        yield replace(found, where=f"layer {those[0].name}") if alone else found


def _contradiction(said: str, layers: Sequence[RawLayer], declared: Frame) -> Finding | None:
    name = named(said)
    if name == declared.name:
        return None
    apart = _apart(_points(layers), name, declared) if name else None
    if apart is not None and apart < _SAME_M:
        return None
    also = name if name and name != said else ""
    detail = Said(
        f"已声明 {declared.name}；文件自述为 {_short(said)}"
        + (f"（{also}）" if also else "")
        + ("" if apart is None else f"，若按后者，位置相差 {apart:,.0f} m"),
        f"{declared.name} was declared; the file itself says {_short(said)}"
        + (f" ({also})" if also else "")
        + ("" if apart is None else f", which would put it {apart:,.0f} m elsewhere"),
    )
    mend = Said(
        "启用前请查看本图与现行地图的叠加图",
        "look at the picture of the map over the one in force before applying",
    )
    return told("frame", Weight.WARNING, detail, mend)


def _apart(points: Points, name: str, declared: Frame) -> float | None:
    """Return how far apart the two systems put the middle of the file, in metres."""
    sample = points[:: max(1, len(points) // _SAMPLE)]
    if not len(sample):
        return None
    try:
        mine, theirs = declared.to_degrees(sample), frame(name).to_degrees(sample)
    except OutOfFrame:
        return None
    gap = (mine - theirs) * METRES_PER_DEGREE
    gap[:, 0] *= np.cos(np.radians(mine[:, 1]))
    return float(np.median(np.hypot(gap[:, 0], gap[:, 1])))


def _points(layers: Sequence[RawLayer]) -> Points:
    held = [shapely.get_coordinates(layer.shapes) for layer in layers]
    points: Points = np.concatenate(held) if held else np.empty((0, 2))
    return points[np.isfinite(points).all(axis=1)]


def _declaration(declared: str, name: str) -> str:
    if not declared:
        return "the file declares no coordinate system"
    if name:
        return f"the file declares {name}" + ("" if name == declared else f" ({_short(declared)})")
    return f"the file declares {_short(declared)}, which has no EPSG code"


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."


def _by_size(box: Box) -> tuple[tuple[str, ...], str]:
    """Return the systems that coordinates of this size can be in, and the sentence."""
    west, south, east, north = box
    size = f"x {west:.6g} to {east:.6g}, y {south:.6g} to {north:.6g}"
    if west >= 72 and east <= 138 and south >= 0 and north <= 56:
        said = f"{size}: degrees in China; which of {', '.join(_DEGREES)} cannot be seen"
        return _DEGREES, said
    if abs(west) <= 180 and abs(east) <= 180 and abs(south) <= 90 and abs(north) <= 90:
        return ("EPSG:4326", "EPSG:4490"), f"{size}: degrees, not in China"
    if south >= 72 and north <= 138 and west >= 0 and east <= 56:
        return (), f"{size}: degrees in China with latitude first; exchange the columns"
    if west > 7e6 and east < 1.6e7 and south > 0 and north < 8e6 and not _zoned(west, east):
        return ("EPSG:3857",), f"{size}: metres of Web Mercator"
    if _zoned(west, east) and south > 1.5e6 and north < 6.2e6:
        return _with_zone(int(west // 1e6), size)
    if west > 1e5 and east < 1e6 and south > 1.5e6 and north < 6.2e6:
        names = tuple(f"EPSG:{code}" for code in _meridians())
        return names, (
            f"{size}: Gauss-Kruger metres without a zone number; the central meridian cannot be "
            "seen (114 degrees, EPSG:4547, for Shenzhen)"
        )
    if south > 1e5 and north < 1e6 and west > 1.5e6 and east < 6.2e6:
        return (), f"{size}: Gauss-Kruger metres with north first; exchange the columns"
    return (), f"{size}: no public system; a local one of the owner's needs its parameters"


def _zoned(west: float, east: float) -> bool:
    return int(west // 1e6) == int(east // 1e6) and 13 <= int(west // 1e6) <= 45


def _with_zone(zone: int, size: str) -> tuple[tuple[str, ...], str]:
    code = 4491 + zone - 13 if zone <= 23 else 4513 + zone - 25
    if zone == 24:
        return (), f"{size}: an easting with zone 24, which China does not have"
    width = 6 if zone <= 23 else 3
    return (f"EPSG:{code}",), f"{size}: Gauss-Kruger metres of {width}-degree zone {zone}"


def _meridians() -> tuple[int, ...]:
    """Return the 3-degree systems without zone numbers, Shenzhen's first."""
    return (4547, *(code for code in range(4534, 4555) if code != 4547))
