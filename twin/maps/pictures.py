"""The picture of a proposal, drawn anew against the map that is in force now."""

from __future__ import annotations

from geodata.maps import picture
from twin.maps.in_force import InForce
from twin.maps.judge import Judged

WIDTH_PX = 1600


def draw(judged: Judged, current: InForce, *, width_px: int = WIDTH_PX, title: str = "") -> bytes:
    """Return the PNG.

    Raises:
        MissingPrerequisite: Pillow is not installed.
    """
    return picture.draw(
        judged.diff,
        judged.usable,
        current.cells,
        judged.findings,
        width_px=width_px,
        title=title,
    )
