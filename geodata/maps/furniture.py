"""What stands around a map: title, scale bar, north arrow, legend and the list of findings.

Needs Pillow (the ``gis`` extra). Texts are pairs of Chinese and English; without a Chinese font
only the English is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from PIL import Image, ImageDraw

from geodata.maps.canvas import SCALE, Colour, Font, Fonts, Ink, Panel

BLACK: Colour = (34, 34, 34)
GREY: Colour = (110, 110, 110)
WHITE: Colour = (255, 255, 255)

_BAR_SHARE = 0.22
_MOST_ROWS = 3
_PIECE = re.compile("[“（]*[\u3400-\u9fff][，；：、）”]*|[^ \u3400-\u9fff]+| +")
"""What a line may be broken between: Chinese signs with their punctuation, and words."""

_ENGLISH_ONLY = "No font with Chinese signs was found on this machine: English only."

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the list of findings: its number on the map ("" for none), weight and text."""

    number: str
    colour: Colour
    title: Pair
    detail: Pair


def said(pair: Pair, fonts: Fonts) -> str:
    """Return both languages, or the English alone."""
    return f"{pair[0]} {pair[1]}" if fonts.chinese else pair[1]


def nice_length(metres: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is no longer."""
    power = 10.0 ** math.floor(math.log10(metres))
    return max(k * power for k in (1.0, 2.0, 5.0) if k * power <= metres * 1.0000001)


def scale_bar(panel: Panel, image: Image.Image) -> None:
    """Draw a bar of four fields at the lower left, with its length in metres or kilometres."""
    width, height = image.size
    length_m = nice_length(_BAR_SHARE * width * panel.metres_per_pixel)
    pixels = length_m / panel.metres_per_pixel
    x, y = 18, height - 22
    pen = ImageDraw.Draw(image, "RGBA")
    font = panel.fonts.of(13)
    pen.rounded_rectangle((x - 10, y - 26, x + pixels + 46, y + 14), 4, fill=(255, 255, 255, 215))
    for k in range(4):
        box = (x + pixels * k / 4, y, x + pixels * (k + 1) / 4, y + 6)
        pen.rectangle(box, fill=BLACK if k % 2 == 0 else WHITE, outline=BLACK)
    whole = f"{length_m:g} m" if length_m < 1000 else f"{length_m / 1000:g} km"
    for at, text in ((0.0, "0"), (pixels, whole)):
        pen.text((x + at, y - 5), text, font=font, anchor="ms", fill=BLACK)


def north_arrow(image: Image.Image, fonts: Fonts) -> None:
    """Draw the arrow at the lower right; the plane's north is true north to a few minutes."""
    width, height = image.size
    x, y = width - 30, height - 34
    pen = ImageDraw.Draw(image, "RGBA")
    pen.ellipse((x - 24, y - 26, x + 24, y + 24), fill=(255, 255, 255, 215))
    pen.polygon([(x, y - 8), (x - 9, y + 18), (x, y + 12)], fill=BLACK)
    pen.polygon([(x, y - 8), (x + 9, y + 18), (x, y + 12)], fill=WHITE, outline=BLACK)
    pen.text((x, y - 9), "北" if fonts.chinese else "N", font=fonts.of(13), anchor="ms", fill=BLACK)


def inset(whole: np.ndarray[tuple[int], np.dtype[np.object_]], panel: Panel) -> Image.Image:
    """Return a small map of everything, with the view as a frame on it."""
    box = shapely.total_bounds(whole)
    pad = 0.06 * max(box[2] - box[0], box[3] - box[1])
    size = (170, max(90, min(190, round(170 * (box[3] - box[1]) / (box[2] - box[0])))))
    small = Panel(
        view=(box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad), size=size,
        fonts=panel.fonts, paper=WHITE,
    )  # fmt: skip
    small.fill(whole, Ink(colour=(150, 160, 170), fill=0.3))
    small.border(whole, Ink(colour=(150, 150, 150), width=0.7))
    frame = shapely.box(*panel.view)
    # A view of one block would be a dot here.
    least = 0.02 * max(box[2] - box[0], box[3] - box[1])
    spot = np.array([shapely.union(frame, shapely.centroid(frame).buffer(least).envelope)])
    small.border(spot, Ink(colour=(200, 30, 30), width=2.0))
    image = small.finished()
    ImageDraw.Draw(image).rectangle((0, 0, size[0] - 1, size[1] - 1), outline=GREY)
    return image


def swatches(fonts: Fonts, classes: Sequence[tuple[Ink, Pair]], width: int) -> Image.Image:
    """Return the legend: a patch of each class and what it means, in as many rows as it takes."""
    image = Image.new("RGB", (width, 400), WHITE)
    pen = ImageDraw.Draw(image)
    font = fonts.of(15)
    x, y = 0, 4
    for ink, words in classes:
        text = said(words, fonts)
        needs = 44 + round(pen.textlength(text, font=font)) + 26
        if x and x + needs > width:
            x, y = 0, y + 30
        image.paste(_patch(ink, fonts), (x, y))
        pen.text((x + 44, y + 11), text, font=font, anchor="lm", fill=BLACK)
        x += needs
    return image.crop((0, 0, width, y + 28))


def listing(fonts: Fonts, lines: Sequence[Line], width: int) -> Image.Image:
    """Return the findings, each sentence in up to three lines."""
    rows = (len(lines) + 1) * _MOST_ROWS * 2
    image = Image.new("RGB", (width, 26 * rows + 6), WHITE)
    pen = ImageDraw.Draw(image)
    font = fonts.of(14)
    y = 15
    for line in lines:
        _disc(image, line, fonts, y)
        title = said(line.title, fonts)
        pen.text((32, y), title, font=font, anchor="lm", fill=BLACK)
        left = 32 + pen.textlength(title, font=font) + 12
        for sentence in _sentences(line.detail, fonts):
            for text in _broken(sentence, width - left, font, pen):
                pen.text((left, y), text, font=font, anchor="lm", fill=GREY)
                y += 20
        y += 6
    if not fonts.chinese:
        pen.text((0, y), _ENGLISH_ONLY, font=font, anchor="lm", fill=GREY)
        y += 26
    return image.crop((0, 0, width, y))


def _disc(image: Image.Image, line: Line, fonts: Fonts, y: int) -> None:
    big = Image.new("RGB", (22 * SCALE, 22 * SCALE), WHITE)
    pen = ImageDraw.Draw(big)
    side = 22 * SCALE - 1
    if line.number:
        pen.ellipse((0, 0, side, side), fill=line.colour)
        at = (side / 2, side / 2)
        font = fonts.of(13 * SCALE)
        pen.text(at, line.number, font=font, anchor="mm", fill=WHITE)
    else:
        pen.ellipse((7 * SCALE, 7 * SCALE, side - 7 * SCALE, side - 7 * SCALE), fill=line.colour)
    image.paste(big.resize((22, 22), Image.Resampling.LANCZOS), (0, y - 11))


def _patch(ink: Ink, fonts: Fonts) -> Image.Image:
    panel = Panel(view=(0, 0, 36, 22), size=(36, 22), fonts=fonts, paper=WHITE)
    box = np.array([shapely.box(2, 2, 34, 20)], dtype=object)
    if ink.fill:
        panel.fill(box, ink)
    panel.border(box, ink)
    return panel.finished()


def _sentences(pair: Pair, fonts: Fonts) -> list[str]:
    """Return the Chinese and the English sentence, or the English alone."""
    return [pair[0], pair[1]] if fonts.chinese and pair[0] else [pair[1]]


def _broken(text: str, width: float, font: Font, pen: ImageDraw.ImageDraw) -> list[str]:
    """Return a text in at most so many lines, the last one cut."""
    lines = [""]
    for piece in _PIECE.findall(text):
        longer = (lines[-1] + piece).lstrip()
        full = pen.textlength(longer.rstrip(), font=font) > width
        if len(lines) < _MOST_ROWS and full and lines[-1]:
            lines.append(piece.lstrip())
        else:
            lines[-1] = longer
    return [_cut(line.rstrip(), width, font, pen) for line in lines]


def _cut(text: str, width: float, font: Font, pen: ImageDraw.ImageDraw) -> str:
    if pen.textlength(text, font=font) <= width:
        return text
    while text and pen.textlength(text + "...", font=font) > width:
        text = text[:-4]
    return text.rstrip() + "..."
