"""Put the two halves of a picture onto one sheet, with heading, legend and findings.

Needs Pillow (the ``gis`` extra).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from PIL import Image, ImageDraw

from geodata.maps.canvas import Box, Colour, Fonts, Ink, Panel
from geodata.maps.furniture import (
    BLACK,
    GREY,
    WHITE,
    Line,
    Pair,
    inset,
    listing,
    north_arrow,
    said,
    scale_bar,
    swatches,
)
from geodata.maps.model import Shapes

EDGE = 20
_HEAD = 64
_CAPTION = 30

ADDED = Ink(colour=(0, 128, 92), hatch_deg=45, fill=0.28, width=2.4)
REDRAWN = Ink(colour=(0, 96, 170), hatch_deg=0, fill=0.24, width=2.4)
GONE = Ink(colour=(204, 62, 16), hatch_deg=45, crossed=True, fill=0.26, width=2.4)
BORDER_BEFORE = Ink(colour=(70, 70, 70), fill=0.0, width=1.6, dashed=True)

_CLASSES: tuple[tuple[Ink, Pair], ...] = (
    (ADDED, ("新增", "added")),
    (REDRAWN, ("改绘", "redrawn")),
    (GONE, ("撤销", "gone")),
    (BORDER_BEFORE, ("原边界", "border before")),
    (Ink(colour=(190, 190, 186), fill=0.25, width=0.8), ("不变", "unchanged")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The figures of the heading; ``changed`` counts cells with another fact than the outline."""

    title: str
    added: int
    redrawn: int
    gone: int
    changed: int
    same: int

    def figures(self, fonts: Fonts) -> str:
        """Return them as one line."""
        pairs = (
            (self.added, ("新增", "added")), (self.redrawn, ("改绘", "redrawn")),
            (self.gone, ("撤销", "gone")), (self.changed, ("改属性", "other facts")),
            (self.same, ("不变", "unchanged")),
        )  # fmt: skip
        return "   ".join(f"{said(words, fonts)} {count:,}" for count, words in pairs)


def panel(view: Box, size: tuple[int, int], fonts: Fonts) -> Panel:
    """Return an empty half; its lower corners are kept free for scale bar and north arrow."""
    made = Panel(view=view, size=size, fonts=fonts)
    made.keep_free((0, size[1] - 56, size[0] * 0.34, size[1]))
    made.keep_free((size[0] - 60, size[1] - 66, size[0], size[1]))
    return made


def small_map(half: Panel, whole: Shapes, changed: Shapes) -> tuple[Image.Image, tuple[int, int]]:
    """Return the small map and its place in a half: the upper corner that hides less of the change.

    The corner is kept free of labels.
    """
    image = inset(whole, half)
    west, _, _, north = half.view
    metres = half.metres_per_pixel
    hidden = []
    for x in (8, half.size[0] - image.width - 8):
        left, top = west + x * metres, north - 8 * metres
        corner = shapely.box(left, top - image.height * metres, left + image.width * metres, top)
        hidden.append((float(shapely.area(shapely.intersection(changed, corner)).sum()), -x))
    x = -min(hidden)[1]
    half.keep_free((x, 8, x + image.width, 8 + image.height))
    return image, (x, 8)


def changes_before(half: Panel, gone: Shapes, redrawn: Shapes) -> None:
    """Paint what ends, and what will have another border."""
    half.fill(redrawn, REDRAWN)
    half.fill(gone, GONE)
    half.border(redrawn, REDRAWN)
    half.border(gone, GONE)


def changes_after(half: Panel, added: Shapes, redrawn: Shapes, redrawn_before: Shapes) -> None:
    """Paint what begins, and what has another border, with the border that it had."""
    half.fill(redrawn, REDRAWN)
    half.fill(added, ADDED)
    half.border(redrawn_before, BORDER_BEFORE)
    half.border(redrawn, REDRAWN)
    half.border(added, ADDED)


def line(number: str, colour: Colour, title: Pair, detail: Pair) -> Line:
    """Return a line of the list of findings."""
    return Line(number=number, colour=colour, title=title, detail=detail)


def assembled(
    left: Panel,
    right: Panel,
    *,
    small: tuple[Image.Image, tuple[int, int]] | None,
    heading: Heading,
    lines: Sequence[Line],
    more: int,
    width_px: int,
) -> Image.Image:
    """Return the sheet.

    Args:
        small: the small map and where it goes in the left half.
        more: how many findings are not listed.
    """
    fonts = left.fonts
    rows = list(lines)
    if more:
        words = (f"另有 {more:,} 项", f"and {more:,} more")
        rows.append(Line(number="", colour=GREY, title=words, detail=("", "")))
    legend = swatches(fonts, _CLASSES, width_px - 2 * EDGE)
    listed = listing(fonts, rows, width_px - 2 * EDGE)
    top = _HEAD + _CAPTION
    below = top + left.size[1] + 12
    height = below + legend.height + listed.height + 14
    image = Image.new("RGB", (width_px, height), WHITE)
    _head(image, heading, fonts)
    _half(image, left, small, (EDGE, top), ("现行", "in force"))
    _half(image, right, None, (2 * EDGE + left.size[0], top), ("提案", "proposed"))
    image.paste(legend, (EDGE, below))
    image.paste(listed, (EDGE, below + legend.height + 6))
    return image


def _head(image: Image.Image, heading: Heading, fonts: Fonts) -> None:
    pen = ImageDraw.Draw(image)
    title = said(("街区地图变更", "Changes of the block map"), fonts)
    pen.text((EDGE, 24), title, font=fonts.of(24), anchor="lm", fill=BLACK)
    if heading.title and (fonts.chinese or heading.title.isascii()):
        right = image.width - EDGE
        pen.text((right, 24), heading.title, font=fonts.of(15), anchor="rm", fill=GREY)
    pen.text((EDGE, 54), heading.figures(fonts), font=fonts.of(15), anchor="lm", fill=BLACK)


def _half(
    image: Image.Image,
    half: Panel,
    small: tuple[Image.Image, tuple[int, int]] | None,
    at: tuple[int, int],
    caption: Pair,
) -> None:
    done = half.finished()
    scale_bar(half, done)
    north_arrow(done, half.fonts)
    if small is not None:
        done.paste(*small)
    pen = ImageDraw.Draw(done)
    pen.rectangle((0, 0, done.width - 1, done.height - 1), outline=GREY)
    image.paste(done, at)
    words = said(caption, half.fonts)
    ImageDraw.Draw(image).text(
        (at[0], at[1] - 12), words, font=half.fonts.of(16), anchor="lm", fill=BLACK
    )
