"""Whether a map lies as a whole where it should, and if not, which mix-up explains it.

A map is shifted when many of its points are off by the same mistake: a coordinate system taken for
another one (then undoing it brings them back to within metres), or one translation. A map that was
drawn anew moves its cells too, but not all by the same mistake: none of the mix-ups brings them
back, and their moves have no common direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from core.model import SpaceKind
from geodata.maps.mixups import Mixup, mixups
from geodata.maps.model import Cells, Finding, Weight, told
from geodata.maps.plane import F8, Plane, plane_through
from geodata.maps.witnesses import (
    Against,
    Witness,
    borders,
    containers,
    counterparts,
    district,
)
from geodata.said import Said

_CLOSE_M = 10.0
"""So near must an undone mistake bring a point; the mistakes are hundreds of metres."""

_CLOSE_SHARE = 0.1
"""Of the distance before: a mistake that explains less than nine tenths of it explains nothing."""

_AGREE = 0.5
"""A mistake must explain so many of the displaced points ..."""

_WHOLE_SHARE = 0.8
"""... and it is the whole map's if so many of all points are displaced."""

_LEAST_TRANSLATED = 3
"""With fewer cells a common translation without a known cause is no evidence."""

_STRAY_SHARE = 0.02
"""So many vertices must lie outside of what should contain the map to speak of a shift."""

_SAMPLE = 200

_BORDER_M = 8.0
"""Of a map that lies right, most vertices are nearer to a border in force, even if some moved."""

_COMPASS = (
    Said("东", "east"), Said("东北", "north-east"), Said("北", "north"), Said("西北", "north-west"),
    Said("西", "west"), Said("西南", "south-west"), Said("南", "south"), Said("东南", "south-east"),
)  # fmt: skip
_CHINA = (73.0, 3.0, 136.0, 54.0)
_UNEXPLAINED = Said(
    "WGS 84、GCJ-02、BD-09、投影带或坐标轴的混淆都不能解释；可能是旧坐标系或地方坐标系"
    "（1954 北京、1980 西安、城市独立坐标系）",
    "no mix-up of WGS 84, GCJ-02, BD-09, zones or axes explains it; an older or local "
    "system can (Beijing 1954, Xi'an 1980, a city's own)",
)
_ASK = Said(
    "请向制图单位索取坐标系及其参数", "ask its author for the coordinate system and its parameters"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A witness, what counts as displaced before it, and how near a point must come to be back."""

    witness: Witness
    displaced_m: float
    least_share: float
    may_translate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """How a map is off.

    Attributes:
        explained: of the witness's points, which the cause brings back.
        median: east and north in metres, of the explained points.
        left_m: median distance of these points after undoing the cause.
        worse: how many points are displaced after undoing it.
    """

    case: _Case
    cause: Mixup | None
    displaced: npt.NDArray[np.bool_]
    explained: npt.NDArray[np.bool_]
    median: tuple[float, float]
    left_m: float
    worse: int


def shift(
    cells: Cells,
    existing: Cells,
    *,
    declared: str = "",
    outline: shapely.Geometry | None = None,
    shift_m: float = 50.0,
) -> Finding | None:
    """Return a finding if the map, or a part of it, lies off by one mistake; else None.

    Args:
        declared: the frame the file was read in, as ``geodata.frames`` names it.
        outline: of the district in degrees, for a map that has nothing in force to be held against.
        shift_m: nearer cells are not displaced.
    """
    if not len(cells):
        return None
    frame_of = [existing.outlines]
    if outline is not None:
        frame_of.append(np.array([outline], dtype=object))
    plane = plane_through(*frame_of, cells.outlines)
    for case in _cases(cells, existing, plane, outline, shift_m):
        verdict = _judged(case, declared, plane)
        if verdict is not None:
            return _told(cells, verdict)
        if case.witness.against is Against.CODES:
            return None
    return None if len(existing) or outline is not None else _exchanged(cells)


def _cases(
    cells: Cells,
    existing: Cells,
    plane: Plane,
    outline: shapely.Geometry | None,
    shift_m: float,
) -> Iterator[_Case]:
    """Yield what the map can be held against, the best first; codes decide alone."""
    by_code = counterparts(cells, existing, plane)
    if by_code is not None:
        yield _Case(witness=by_code, displaced_m=shift_m, least_share=0.0, may_translate=True)
    by_parent = containers(cells, existing, plane)
    if by_parent is not None:
        yield _Case(
            witness=by_parent, displaced_m=shift_m, least_share=_STRAY_SHARE, may_translate=False
        )
    by_border = borders(cells, existing, plane)
    if by_border is not None:
        yield _Case(
            witness=by_border, displaced_m=_BORDER_M, least_share=_AGREE, may_translate=False
        )
    around = outline if outline is not None else _district_of(existing)
    by_outline = None if around is None else district(cells, around, plane)
    if by_outline is not None:
        yield _Case(
            witness=by_outline, displaced_m=shift_m, least_share=_STRAY_SHARE, may_translate=False
        )


def _district_of(existing: Cells) -> shapely.Geometry | None:
    for kind, outline in zip(existing.kinds, existing.outlines, strict=True):
        if kind is SpaceKind.DISTRICT and outline is not None:
            return outline
    return None


def _judged(case: _Case, declared: str, plane: Plane) -> _Verdict | None:
    away = case.witness.offsets(case.witness.points)
    before = _length(away)
    displaced = before >= case.displaced_m
    if not displaced.any() or displaced.mean() < case.least_share:
        return None
    best: _Verdict | None = None
    sample = _sample(displaced)
    for cause in mixups(declared, plane.middle):
        if not _promising(case, cause, before, sample):
            continue
        found = _undone(case, cause, away, displaced)
        if found is not None and (best is None or _rank(found) > _rank(best)):
            best = found
    if best is None and case.may_translate:
        return _translated(case, away, displaced)
    return best


def _sample(displaced: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return some of the displaced points, evenly picked."""
    indices = np.flatnonzero(displaced)
    return indices[:: max(1, len(indices) // _SAMPLE)]


def _promising(case: _Case, cause: Mixup, before: F8, sample: npt.NDArray[np.intp]) -> bool:
    """Tell whether undoing a cause brings back some of a sample; most causes end here, cheaply."""
    points = np.full_like(case.witness.points, np.nan)
    points[sample] = case.witness.points[sample]
    meant = cause.undo(points)
    if meant is None:
        return False
    after = _length(case.witness.offsets(meant))[sample]
    return bool((after <= _close(before[sample])).mean() >= _AGREE / 2)


def _close(before: F8) -> F8:
    """Return how near each point must come to be back where it belongs."""
    return np.minimum(_CLOSE_M, np.maximum(_CLOSE_SHARE * before, 1.0))


def _rank(verdict: _Verdict) -> tuple[int, int, float]:
    # Zones with and without their number undo alike: of equals the first, the likelier, stays.
    return int(verdict.explained.sum()), -verdict.worse, -round(verdict.left_m, 1)


def _undone(
    case: _Case, cause: Mixup, away: F8, displaced: npt.NDArray[np.bool_]
) -> _Verdict | None:
    meant = cause.undo(case.witness.points)
    if meant is None:
        return None
    after = _length(case.witness.offsets(meant))
    plane = case.witness.plane
    moved = plane.metres(case.witness.points) - plane.metres(meant)
    return _verdict(
        case, cause, before=_length(away), moved=moved, displaced=displaced, after=after
    )


def _translated(case: _Case, away: F8, displaced: npt.NDArray[np.bool_]) -> _Verdict | None:
    """Return a verdict if most displaced points went the same way."""
    if displaced.sum() < _LEAST_TRANSLATED or not np.isfinite(away[displaced]).all():
        return None
    common = np.median(away[displaced], axis=0)
    if math.hypot(*common) < case.displaced_m:
        return None
    after = _length(away - common)
    return _verdict(case, None, before=_length(away), moved=away, displaced=displaced, after=after)


def _verdict(
    case: _Case,
    cause: Mixup | None,
    *,
    before: F8,
    moved: F8,
    displaced: npt.NDArray[np.bool_],
    after: F8,
) -> _Verdict | None:
    explained = displaced & (after <= _close(before))
    if explained.sum() < max(1, _AGREE * displaced.sum()):
        return None
    # What lay right before must not be carried off by the cure of a whole map.
    if case.least_share and (after > case.displaced_m).mean() > (1 - _AGREE) * displaced.mean():
        return None
    finite = moved[explained & np.isfinite(moved).all(axis=1)]
    middle = np.median(finite, axis=0) if len(finite) else np.array([np.inf, np.inf])
    return _Verdict(
        case=case,
        cause=cause,
        displaced=displaced,
        explained=explained,
        median=(float(middle[0]), float(middle[1])),
        left_m=float(np.median(after[explained])),
        worse=int((after >= case.displaced_m).sum()),
    )


def _length(away: F8) -> F8:
    lengths: F8 = np.hypot(away[:, 0], away[:, 1])
    return np.where(np.isfinite(lengths), lengths, np.inf)


def _told(cells: Cells, verdict: _Verdict) -> Finding:
    witness = verdict.case.witness
    owners = np.unique(witness.owners[verdict.explained])
    whole = verdict.displaced.mean() >= _WHOLE_SHARE or verdict.case.least_share > 0
    subject = (
        Said("整幅地图", "the map")
        if whole
        else Said(
            f"地图的一部分（{len(owners)} 个单元）", f"a part of the map ({len(owners)} cells)"
        )
    )
    if verdict.cause is not None:
        cause, mend = verdict.cause.words, verdict.cause.mend
    else:
        cause, mend = _UNEXPLAINED, _ASK
    way, count, against = _way(verdict), _count(verdict), witness.against.said
    left = f"{verdict.left_m:.1f} m"
    return told(
        "shift",
        Weight.ERROR,
        Said(
            f"与{against.zh}比较，{subject.zh}{way.zh}：{cause.zh}；还原后 {count.zh}归位，"
            f"剩余偏差 {left}",
            f"{subject.en} lies {way.en}, held against {against.en}: {cause.en}; "
            f"{count.en} are back in place to {left} once that is undone",
        ),
        mend if whole else Said(f"{mend.zh}（仅限这些单元）", f"{mend.en}, these cells alone"),
        codes=() if whole else tuple(cells.codes[i] for i in owners.tolist()),
        at=_spot(witness.points[verdict.explained]),
    )


def _way(verdict: _Verdict) -> Said:
    east, north = verdict.median
    if not math.isfinite(east + north):
        return Said("完全不在应有位置", "nowhere near")
    metres = math.hypot(east, north)
    towards = _COMPASS[round(math.atan2(north, east) / (math.pi / 4)) % 8]
    far = f"{metres:,.0f} m" if metres < 10_000 else f"{metres / 1000:,.0f} km"
    return Said(f"向{towards.zh}偏移 {far}", f"{far} too far to the {towards.en}")


def _count(verdict: _Verdict) -> Said:
    explained, displaced = int(verdict.explained.sum()), int(verdict.displaced.sum())
    of = Said("节点", "vertices")
    if verdict.case.witness.against is Against.CODES:
        of = Said("单元", "cells")
    elif len(verdict.displaced) == 1:
        of = Said("中心点", "middles")
    return Said(
        f"{explained:,} 个（共 {displaced:,} 个偏移的）{of.zh}",
        f"{explained:,} of {displaced:,} displaced {of.en}",
    )


def _spot(points: F8) -> tuple[float, float] | None:
    lon, lat = np.median(points, axis=0)
    if abs(lon) > 180 or abs(lat) > 90:
        return None
    return round(float(lon), 7), round(float(lat), 7)


def _exchanged(cells: Cells) -> Finding | None:
    """Return a finding if a map with nothing to be held against has exchanged axes."""
    boxes = shapely.bounds(cells.outlines).reshape(-1, 4)
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        return None
    first, second = np.median(boxes[:, [0, 1]], axis=0)
    if _in_china(first, second) or not _in_china(second, first):
        return None
    cause = Mixup(true="EPSG:4490", read_as="EPSG:4490", exchanged=True)
    place = f"{first:.2f}, {second:.2f}"
    return told(
        "shift",
        Weight.ERROR,
        Said(
            f"地图位于 {place}，在中国范围之外：{cause.words.zh}",
            f"the map lies at {place}, outside China: {cause.words.en}",
        ),
        cause.mend,
    )


def _in_china(lon: float, lat: float) -> bool:
    west, south, east, north = _CHINA
    return west <= lon <= east and south <= lat <= north
