"""Invent hills under the slope sites of the demo district, and survey them twice.

Each site's block gets a hill cut into terraces by benches, as slopes above housing are made; the
second survey finds a small slide at the site: ground missing above, lying below. Everything is
synthetic and says so. The hill depends on the seed and the site alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import numpy as np
import numpy.typing as npt
import shapely

from core.model import District, Space, SpaceKind
from geodata.frames import frame
from simulators.layout import to_degrees, to_plane
from twin.scenes.extra import needed
from twin.scenes.surfaces import Conn, Deed, listed, take

BEFORE = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
AFTER = datetime(2026, 6, 15, 2, 0, tzinfo=UTC)
DATUM = "1985 National Height Datum (synthetic)"
SOURCE = "synthetic"

_STEP_M = 5.0
_NEAR_M = 90.0
_FAR_STEP_M = 15.0
_MARGIN_M = 12.0
_BENCH_M = 8.0
_BENCH_SHARE = 0.35
_SLIDE_M = 17.0
_SLIDE_DEPTH_M = 1.6
_NOISE_M = 0.015

F8 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hill:
    """The invented ground of a site, as a height over the plane of ``simulators.layout``.

    Attributes:
        site: as the devices' attributes name it; ``space`` is its block.
        foot: height of the valley, metres; ``top``: how much higher the crest is.
        falls: unit vector down the slope.
        at: middle of the site, metres.
        reach: half the length from valley to crest.
    """

    site: str
    space: Space
    at: tuple[float, float]
    falls: tuple[float, float]
    foot: float
    top: float
    reach: float
    waves: tuple[float, float]

    def height(self, x: F8, y: F8) -> F8:
        """Return metres above the datum before the slide."""
        down = (x - self.at[0]) * self.falls[0] + (y - self.at[1]) * self.falls[1]
        across = (y - self.at[1]) * self.falls[0] - (x - self.at[0]) * self.falls[1]
        bend = 6.0 * np.sin(across / 47.0 + self.waves[0]) + 3.0 * np.sin(across / 21.0)
        share = np.clip(0.5 - (down + bend) / (2 * self.reach), 0.0, 1.0)
        # Above and below the cut slope the hill goes on, gently.
        lie = -0.10 * (down + 25.0 * np.sin(across / 90.0 + self.waves[1]))
        smooth = self.top * share * share * (3.0 - 2.0 * share)
        crest = 2.4 * np.sin(x / 31.0 + self.waves[1]) * np.cos(y / 37.0) * (0.3 + share)
        found: F8 = self.foot + _terraced(smooth) + crest + lie
        return found

    def slid(self, x: F8, y: F8) -> F8:
        """Return what the slide changed, metres: less above the site, more below it.

        Two bells of the same content, one upslope and one downslope: what is gone lies lower.
        """
        down = (x - self.at[0]) * self.falls[0] + (y - self.at[1]) * self.falls[1]
        across = (y - self.at[1]) * self.falls[0] - (x - self.at[0]) * self.falls[1]
        scar = _bell(down + 0.6 * _SLIDE_M, across)
        heap = _bell(down - 0.9 * _SLIDE_M, across)
        found: F8 = _SLIDE_DEPTH_M * (heap - scar)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """One survey as a file: lines of lon, lat, height, with a line of names.

    Attributes:
        space: code of the block.
    """

    name: str
    site: str
    space: str
    surveyed_at: datetime
    file_name: str
    data: bytes


def hills(district: District, seed: int) -> Iterator[Hill]:
    """Yield the hill of every slope site, in the sites' order."""
    sites: dict[str, list[tuple[float, float]]] = defaultdict(list)
    blocks: dict[str, str] = {}
    for device in district.devices:
        site = str(device.attributes.get("site", ""))
        if site.startswith("slope-"):
            sites[site].append(to_plane(device.lon, device.lat))
            blocks[site] = str(device.attributes["space"])
    spaces = {space.code: space for space in district.spaces if space.kind is SpaceKind.BLOCK}
    for site in sorted(sites):
        yield _hill(site, spaces[blocks[site]], sites[site], Random(f"{seed}:terrain:{site}"))


def surveys(district: District, seed: int, *, known: Collection[str] = ()) -> Iterator[Surveyed]:
    """Yield two surveys of every hill, before and after its slide; not the files already known."""
    for number, hill in enumerate(hills(district, seed)):
        xy = _places(hill, np.random.default_rng([seed, number]))
        for when, label, slide in ((BEFORE, "前期", 0.0), (AFTER, "复测", 1.0)):
            file_name = f"{hill.site}-{when:%Y%m%d}.csv"
            if file_name in known:
                continue
            noise = np.random.default_rng([seed, number, int(slide)])
            height = hill.height(*xy.T) + slide * hill.slid(*xy.T)
            height += noise.normal(0.0, _NOISE_M, len(xy))
            yield Surveyed(
                name=f"{hill.space.name} 边坡测量（{label}，合成数据）",
                site=hill.site,
                space=hill.space.code,
                surveyed_at=when,
                file_name=file_name,
                data=_file(xy, height),
            )


def load(conn: Conn, district: District, seed: int) -> int:
    """Keep the surveys of every site that are not kept yet; return how many were.

    Raises:
        MissingPrerequisite: the ``mesh`` extra is not installed.
    """
    known = {row["file_name"] for row in listed(conn)}
    kept = 0
    for one in surveys(district, seed, known=known):
        deed = Deed(
            name=one.name,
            space=one.space,
            surveyed_at=one.surveyed_at,
            height_datum=DATUM,
            source=SOURCE,
            file_name=one.file_name,
        )
        with needed():
            kept += not take(conn, one.data, frame("EPSG:4490"), deed, actor="demo").known
    return kept


def _hill(site: str, space: Space, devices: Iterable[tuple[float, float]], rng: Random) -> Hill:
    points = np.array(list(devices))
    at = points.mean(axis=0)
    outline = _plane(space)
    away = np.array([outline.centroid.x, outline.centroid.y]) - at
    turn = math.atan2(away[1], away[0]) if np.hypot(*away) > 1 else 0.0
    turn += rng.uniform(-0.6, 0.6)
    west, south, east, north = outline.bounds
    return Hill(
        site=site,
        space=space,
        at=(float(at[0]), float(at[1])),
        falls=(math.cos(turn), math.sin(turn)),
        foot=round(rng.uniform(60.0, 95.0), 1),
        top=round(rng.uniform(44.0, 64.0), 1),
        reach=min(70.0, 0.4 * math.hypot(east - west, north - south)),
        waves=(rng.uniform(0, 6.28), rng.uniform(0, 6.28)),
    )


def _terraced(height: F8) -> F8:
    """Cut a smooth slope into benches: part of each step is nearly level, the rest is steeper."""
    step = np.floor(height / _BENCH_M)
    within = height / _BENCH_M - step
    level = 0.1 * within / _BENCH_SHARE
    steep = 0.1 + 0.9 * (within - _BENCH_SHARE) / (1.0 - _BENCH_SHARE)
    found: F8 = _BENCH_M * (step + np.where(within < _BENCH_SHARE, level, steep))
    return found


def _bell(down: F8, across: F8) -> F8:
    found: F8 = np.exp(-((down / (0.6 * _SLIDE_M)) ** 2) - (across / (0.8 * _SLIDE_M)) ** 2)
    return found


def _places(hill: Hill, noise: np.random.Generator) -> F8:
    """Where the surveyors held the staff: closely at the site, widely over the rest of the block.

    Both surveys use the same places, as marks in the ground: between other ones the benches alone
    would differ by more than the slide.
    """
    area = _plane(hill.space).buffer(_MARGIN_M)
    near = shapely.Point(hill.at).buffer(_NEAR_M)
    rest = area.difference(near)
    return np.vstack(
        [_spread(area.intersection(near), _STEP_M, noise), _spread(rest, _FAR_STEP_M, noise)]
    )


def _spread(area: shapely.Geometry, step: float, noise: np.random.Generator) -> F8:
    west, south, east, north = area.bounds
    x, y = np.meshgrid(np.arange(west, east, step), np.arange(south, north, step))
    grid = np.column_stack([x.ravel(), y.ravel()])
    grid += noise.uniform(-0.25 * step, 0.25 * step, grid.shape)
    inside: F8 = grid[shapely.contains_xy(area, grid[:, 0], grid[:, 1])]
    return inside


def _plane(space: Space) -> shapely.Geometry:
    outline = shapely.geometry.shape(space.outline)
    return shapely.transform(
        outline, lambda lonlat: np.array([to_plane(*one) for one in lonlat.tolist()])
    )


def _file(xy: F8, height: F8) -> bytes:
    lines = ["lon,lat,height"]
    for (x, y), z in zip(xy.tolist(), height.tolist(), strict=True):
        lon, lat = to_degrees(x, y)
        lines.append(f"{lon:.7f},{lat:.7f},{z:.3f}")
    return ("\n".join(lines) + "\n").encode()
