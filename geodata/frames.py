"""Coordinate systems: what a coordinate was given in, and EPSG:4490 for it.

``frame`` knows every geographic and projected system with an EPSG code, and GCJ-02 and BD-09;
``local_frame`` reads one that its owner supplies (``geodata.frames_local``). Longitude stands
before latitude and east before north everywhere, whatever order a code's axes have.

Accuracy of the conversion: 0.001 m for CGCS2000 and its projections; 0.5 m for WGS 84 and its
projections, which are taken as equal to CGCS2000; not published for GCJ-02 and BD-09, whose inverse
is within 1e-5 m of their formula; the RMS of the control points for a local system.

Pure: no clock, no files.

Example:
    >>> frame("cgcs2000 4547").to_degrees([[513526.1531, 2494532.954]]).round(6).tolist()
    [[114.1315, 22.5484]]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geodata import frames_china, frames_local
from geodata.frames_epsg import epsg
from geodata.frames_words import Frame, FrameUnknown, OutOfFrame, Points

__all__ = [
    "Frame", "FrameUnknown", "Known", "OutOfFrame", "Points", "frame", "geometries", "known",
    "local_frame",
]  # fmt: skip

_LONGEST = 200
_NAMES = {
    "wgs84": 4326, "wgs1984": 4326, "gps": 4326, "crs84": 4326, "ogccrs84": 4326,
    "gcswgs1984": 4326, "gcschinageodeticcoordinatesystem2000": 4490,
    "cgcs2000": 4490, "china2000": 4490, "chinageodeticcoordinatesystem2000": 4490,
    "国家2000": 4490, "2000国家大地坐标系": 4490, "国家2000坐标系": 4490,
    "webmercator": 3857, "pseudomercator": 3857, "mercator": 3857, "900913": 3857,
    "epsg900913": 3857,
}  # fmt: skip
_GCJ02 = {"gcj02", "gcj", "gcj02ll", "火星坐标", "火星坐标系", "火星", "国测局坐标"}
_BD09 = {"bd09", "bd09ll", "baidu", "百度坐标", "百度坐标系", "百度"}
_CODE = re.compile(r"(?:epsg|cgcs2000epsg|cgcs2000|wgs84epsg|urnogcdefcrsepsg)?0*([1-9][0-9]{3,5})")
_URL = re.compile(r"https?://www\.opengis\.net/def/crs/(?:epsg/[0-9.]+/([0-9]+)|ogc/[0-9.]+/crs84)")

_ESRI_ZONE = re.compile(
    r"cgcs2000(?:(?P<width>[36])degree)?(?:gk|gausskruger)(?P<by>zone|cm)(?P<number>[0-9]{2,3})e?"
)
"""CGCS2000_3_Degree_GK_CM_114E, CGCS2000_GK_Zone_20, CGCS2000 / 3-degree Gauss-Kruger zone 38."""

_GK_ZONES = (
    (range(4491, 4502), "6-degree zones 13 to 23, zone number in the easting"),
    (range(4502, 4513), "6-degree zones by central meridian 75 to 135, no zone number"),
    (range(4513, 4534), "3-degree zones 25 to 45, zone number in the easting"),
    (range(4534, 4555), "3-degree zones by central meridian 75 to 135, no zone number"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A line of the list of systems; ``codes`` are names that ``frame`` takes."""

    codes: tuple[str, ...]
    title: str
    accuracy_m: float | None
    note: str


def frame(name: str) -> Frame:
    """Return the coordinate system of that name.

    Spelling is forgiven: ``epsg:4547``, ``4547``, ``urn:ogc:def:crs:EPSG::4547``, ``wgs84``,
    ``CGCS2000``, ``gcj02``, ``BD-09``, ``web mercator``.

    Raises:
        FrameUnknown: if there is no such system, or it is a local one (see ``local_frame``).
    """
    if name.strip().lower().startswith("local:"):
        raise FrameUnknown(
            f"{name[:_LONGEST]!r} is a system of its owner's, known by its file only",
            remedy="give its file, as blocktwin map fit writes it",
        )
    url = _URL.fullmatch(name.strip().lower())
    if url:
        return epsg(int(url[1])) if url[1] else epsg(4326)
    halfwidth = unicodedata.normalize("NFKC", name[:_LONGEST])
    plain = re.sub(r"[\s_:()/.-]", "", halfwidth.casefold())
    if plain in _GCJ02:
        return GCJ02
    if plain in _BD09:
        return BD09
    if plain in _NAMES:
        return epsg(_NAMES[plain])
    code = _CODE.fullmatch(plain)
    if code:
        return epsg(int(code[1]))
    zone = _ESRI_ZONE.fullmatch(plain)
    if zone:
        return _zone_by_title(zone)
    raise FrameUnknown(
        f"{name[:_LONGEST]!r} is no coordinate system that blocktwin knows",
        remedy="write EPSG:4490, EPSG:4547, GCJ-02, BD-09 ...; blocktwin map frames lists them",
    )


def _zone_by_title(found: re.Match[str]) -> Frame:
    """Return the zone that ArcGIS and EPSG call so; its number or meridian must exist."""
    wide = 6 if found["width"] is None else int(found["width"])
    number = int(found["number"])
    numbered = found["by"] == "zone"
    first, last = (13, 23) if wide == 6 else (25, 45)
    zone, rest = (number, 0) if numbered else divmod(number + (3 if wide == 6 else 0), wide)
    if rest or not first <= zone <= last:
        raise FrameUnknown(
            f"{found[0][:_LONGEST]!r}: China has no {wide}-degree zone of that number or meridian",
            remedy="blocktwin map frames lists them",
        )
    codes = {(6, True): 4491, (6, False): 4502, (3, True): 4513, (3, False): 4534}
    return epsg(codes[wide, numbered] + zone - first)


def local_frame(text: str | bytes, name: str = "") -> Frame:
    """Return a system that its owner supplies, from the text of its TOML file.

    Args:
        text: see ``docs/frames.md`` for its keys.
        name: the name after ``local:``; empty takes the one in the file.

    Raises:
        FrameUnknown: if the text is no such file; the sentence names the key.
    """
    plan = frames_local.parse(text)
    base = frame(plan.base)
    return frames_local.built(plan, base, name or plan.name)


def geometries(
    shapes: npt.NDArray[np.object_], convert: Callable[[Points], Points]
) -> npt.NDArray[np.object_]:
    """Convert every vertex of shapely geometries; heights are dropped, None stays None.

    Args:
        convert: ``to_degrees`` or ``from_degrees`` of a frame.

    Raises:
        OutOfFrame: its row is the index of the geometry.
    """
    held = np.asarray(shapes, dtype=object)
    try:
        converted: npt.NDArray[np.object_] = shapely.transform(held, convert)
    except OutOfFrame as outside:
        _, owners = shapely.get_coordinates(held, return_index=True)
        raise OutOfFrame(
            int(owners[outside.row]), outside.reason, remedy=outside.remedy
        ) from outside
    return converted


def known() -> tuple[Known, ...]:
    """Return the systems worth naming, each with its accuracy; any other EPSG code works too."""
    named = [_listed(epsg(4490)), _listed(epsg(4326))]
    zones = [_zones(codes, note) for codes, note in _GK_ZONES]
    return (*named, *zones, _listed(epsg(3857)), _listed(GCJ02), _listed(BD09))


def _listed(one: Frame) -> Known:
    return Known(codes=(one.name,), title=one.title, accuracy_m=one.accuracy_m, note=one.note)


def _zones(codes: range, note: str) -> Known:
    return Known(
        codes=tuple(f"EPSG:{code}" for code in codes),
        title="CGCS2000 / Gauss-Kruger",
        accuracy_m=epsg(codes[0]).accuracy_m,
        note=note,
    )


GCJ02 = Frame(
    name="GCJ-02",
    projected=False,
    accuracy_m=None,
    note="by the public reverse-engineered formula; shifts 300 to 700 m inside China's box, "
    "nothing outside; the inverse is within 1e-5 m of the formula",
    title="GCJ-02",
    _to=frames_china.gcj02_inverse,
    _from=frames_china.gcj02,
)
BD09 = Frame(
    name="BD-09",
    projected=False,
    accuracy_m=None,
    note="by the public reverse-engineered formula over GCJ-02; the inverse is within 1e-5 m of "
    "the formula",
    title="BD-09",
    _to=frames_china.bd09_inverse,
    _from=frames_china.bd09,
)
