"""Paint shapes of a plane into a panel: fills with hatching, borders, labels, numbered marks.

Needs Pillow (the ``gis`` extra). Everything is drawn ``SCALE`` times as large and made smaller at
the end, which is what makes lines smooth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import shapely
from PIL import Image, ImageDraw, ImageFont

from geodata.maps.model import Shapes

SCALE = 2

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Box = tuple[float, float, float, float]

CHINESE_FONTS = (
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/opentype/noto/NotoSansCJKsc-Regular.otf", 0),
    ("/usr/share/fonts/truetype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0),
    ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", 0),
    ("/usr/share/fonts/truetype/arphic/uming.ttc", 0),
)
"""Where Debian and its relatives keep fonts with Chinese signs, and the face within the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """How a class of cells is drawn.

    Attributes:
        hatch_deg: direction of the hatching, None for none; besides the colour it tells classes
            apart for those who see colours alike, and in a grey print.
        crossed: hatched in the other direction too.
    """

    colour: Colour
    hatch_deg: float | None = None
    crossed: bool = False
    fill: float = 0.22
    width: float = 2.0
    dashed: bool = False


class Fonts:
    """The fonts of one picture, by size; the first file of the list that is there is taken."""

    def __init__(self, files: Sequence[tuple[str, int]] = CHINESE_FONTS) -> None:
        self._file = next((one for one in files if Path(one[0]).is_file()), None)
        self._made: dict[int, Font] = {}

    @property
    def chinese(self) -> bool:
        """Whether Chinese can be written."""
        return self._file is not None

    def of(self, size: int) -> Font:
        """Return the font of that many pixels."""
        if size not in self._made:
            if self._file is None:
                self._made[size] = ImageFont.load_default(size)
            else:
                self._made[size] = ImageFont.truetype(self._file[0], size, index=self._file[1])
        return self._made[size]


@dataclass(slots=True, kw_only=True)
class Panel:
    """A window onto the plane.

    Attributes:
        view: west, south, east, north in metres; made wider or higher to fit the window.
        size: width and height in pixels of the finished picture.
    """

    view: Box
    size: tuple[int, int]
    fonts: Fonts
    paper: Colour = (250, 249, 246)
    image: Image.Image = field(init=False)
    _taken: list[Box] = field(init=False, default_factory=list)
    _per_m: float = field(init=False, default=1.0)
    _corner: tuple[float, float] = field(init=False, default=(0.0, 0.0))

    def __post_init__(self) -> None:
        width, height = (side * SCALE for side in self.size)
        west, south, east, north = self.view
        self._per_m = min(width / (east - west), height / (north - south))
        half_w, half_h = width / self._per_m / 2, height / self._per_m / 2
        x, y = (west + east) / 2, (south + north) / 2
        self._corner = (x - half_w, y + half_h)
        self.view = (x - half_w, y - half_h, x + half_w, y + half_h)
        self.image = Image.new("RGB", (width, height), self.paper)

    @property
    def metres_per_pixel(self) -> float:
        """Of the finished picture."""
        return SCALE / self._per_m

    def shows(self, shapes: Shapes) -> Shapes:
        """Return the shapes that touch the view."""
        there = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
        shapes = shapes[there]
        seen: Shapes = shapes[shapely.intersects(shapes, shapely.box(*self.view))]
        return seen

    def fill(self, shapes: Shapes, ink: Ink) -> None:
        """Paint areas: a light tint, and the hatching over it."""
        seen = self.shows(shapes)
        if not len(seen):
            return
        mask = self._mask(seen)
        tint = Image.new("RGB", self.image.size, ink.colour)
        light = mask.point([round(level * ink.fill) for level in range(256)])
        self.image.paste(tint, (0, 0), light)
        if ink.hatch_deg is not None:
            lines = _hatching(self.image.size, ink.hatch_deg)
            if ink.crossed:
                lines.paste(255, (0, 0), _hatching(self.image.size, ink.hatch_deg + 90))
            both = Image.composite(lines, Image.new("L", mask.size), mask)
            self.image.paste(tint, (0, 0), both)

    def border(self, shapes: Shapes, ink: Ink) -> None:
        """Draw borders."""
        pen = ImageDraw.Draw(self.image)
        seen = self.shows(shapes)
        width = max(1, round(self._thin(seen, ink.width) * SCALE))
        for shape in seen:
            for ring in _rings(shape):
                points = self._pixels(ring)
                if ink.dashed:
                    _dashes(pen, points, ink.colour, width)
                else:
                    pen.line(points, fill=ink.colour, width=width, joint="curve")

    def label(self, text: str, at: tuple[float, float], *, size: int, colour: Colour) -> bool:
        """Write a name around a place if it stays inside and covers no other; tell whether."""
        font = self.fonts.of(size * SCALE)
        pen = ImageDraw.Draw(self.image)
        x, y = self._pixel(*at)
        box = pen.textbbox((x, y), text, font=font, anchor="mm")
        width, height = self.image.size
        inside = box[0] > 4 and box[1] > 4 and box[2] < width - 4 and box[3] < height - 4
        if not inside or any(_meet(box, other) for other in self._taken):
            return False
        pen.text(
            (x, y), text, font=font, anchor="mm", fill=colour, stroke_width=3,
            stroke_fill=self.paper,
        )  # fmt: skip
        self._taken.append(box)
        return True

    def mark(self, number: str, at: tuple[float, float], colour: Colour) -> None:
        """Set a numbered disc beside a place, its point on it."""
        pen = ImageDraw.Draw(self.image)
        x, y = self._pixel(*at)
        r = 11 * SCALE
        cx, cy = self._room(x, y, r)
        pen.line([(x, y), (cx, cy)], fill=(255, 255, 255), width=4 * SCALE)
        pen.line([(x, y), (cx, cy)], fill=colour, width=2 * SCALE)
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
        box = (cx - r, cy - r, cx + r, cy + r)
        pen.ellipse(box, fill=colour, outline=(255, 255, 255), width=2 * SCALE)
        font = self.fonts.of(13 * SCALE)
        pen.text((cx, cy), number, font=font, anchor="mm", fill=(255, 255, 255))
        self._taken.append(box)

    def keep_free(self, box: Box) -> None:
        """Let no label or mark stand in a box of finished pixels."""
        self._taken.append(tuple(side * SCALE for side in box))  # type: ignore[arg-type]

    def finished(self) -> Image.Image:
        """Return the panel in its own size."""
        return self.image.resize(self.size, Image.Resampling.LANCZOS)

    def _thin(self, shapes: Shapes, width: float) -> float:
        """Return a line's width that leaves small cells their middle free."""
        if not len(shapes):
            return width
        edge_px = math.sqrt(float(np.median(shapely.area(shapes)))) / self.metres_per_pixel
        return min(width, max(0.5, edge_px / 14))

    def _room(self, x: float, y: float, r: float) -> tuple[float, float]:
        """Return where a disc has room near a place."""
        width, height = self.image.size
        for away in (2.2, 3.6, 5.2, 7.0, 9.0):
            for step in range(12):
                turn = math.radians(45 + 30 * step)
                cx, cy = x + r * away * math.cos(turn), y - r * away * math.sin(turn)
                box = (cx - r, cy - r, cx + r, cy + r)
                inside = box[0] > 0 and box[1] > 0 and box[2] < width and box[3] < height
                if inside and not any(_meet(box, other) for other in self._taken):
                    return cx, cy
        return min(max(x, r), width - r), min(max(y, r), height - r)

    def _mask(self, shapes: Shapes) -> Image.Image:
        """Return where areas are; holes are free, and what lies in a hole is drawn after it."""
        mask = Image.new("L", self.image.size)
        pen = ImageDraw.Draw(mask)
        parts = shapely.get_parts(shapes)
        for part in parts[np.argsort(-shapely.area(parts))]:
            pen.polygon(self._pixels(shapely.get_exterior_ring(part)), fill=255)
            for k in range(shapely.get_num_interior_rings(part)):
                pen.polygon(self._pixels(shapely.get_interior_ring(part, k)), fill=0)
        return mask

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        return (x - self._corner[0]) * self._per_m, (self._corner[1] - y) * self._per_m

    def _pixels(self, ring: shapely.Geometry) -> list[tuple[float, float]]:
        return [self._pixel(x, y) for x, y in shapely.get_coordinates(ring).tolist()]


def _rings(shape: shapely.Geometry) -> Iterable[shapely.Geometry]:
    for part in shapely.get_parts(shape):
        yield shapely.get_exterior_ring(part)
        for k in range(shapely.get_num_interior_rings(part)):
            yield shapely.get_interior_ring(part, k)


def _hatching(size: tuple[int, int], degrees: float) -> Image.Image:
    """Return parallel lines over a whole panel."""
    width, height = size
    lines = Image.new("L", size)
    pen = ImageDraw.Draw(lines)
    turn = math.radians(degrees)
    dx, dy = math.cos(turn), -math.sin(turn)
    reach = math.hypot(width, height)
    step = 8 * SCALE
    for k in range(-int(reach // step) - 1, int(reach // step) + 2):
        x, y = width / 2 - dy * k * step, height / 2 + dx * k * step
        ends = [(x - dx * reach, y - dy * reach), (x + dx * reach, y + dy * reach)]
        pen.line(ends, fill=190, width=round(1.2 * SCALE))
    return lines


def _dashes(
    pen: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: Colour, width: int
) -> None:
    on, period = 7.0 * SCALE, 12.0 * SCALE
    gone = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        length = math.hypot(x1 - x0, y1 - y0)
        # A border that leaves the panel far behind is not walked in dashes.
        if length == 0 or length > 400 * period:
            continue
        start = -(gone % period)
        while start < length:
            a, b = max(start, 0.0) / length, min(start + on, length) / length
            if b > a:
                ends = [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in (a, b)]
                pen.line(ends, fill=colour, width=width)
            start += period
        gone += length


def _meet(one: Sequence[float], other: Sequence[float]) -> bool:
    return not (
        one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    )
