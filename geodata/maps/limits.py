"""From where on something in a map is told to a person; every figure can be set by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.model import SpaceKind

_SIZES_M2: Mapping[SpaceKind, tuple[float, float]] = {
    SpaceKind.DISTRICT: (1e6, 5e9),
    SpaceKind.STREET: (1e5, 3e8),
    SpaceKind.COMMUNITY: (1e4, 1e8),
    SpaceKind.GRID: (1e3, 2e7),
    SpaceKind.BLOCK: (100.0, 5e6),
    SpaceKind.BUILDING: (4.0, 3e5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is too small to be told, and what is too much to be believed.

    The areas and sizes are seeds that were chosen by looking at made maps, not taken from a
    standard; set others where a district's maps are drawn finer.

    Attributes:
        width_m: overlaps and gaps that are narrower everywhere come from rounded coordinates, not
            from a draughtsman: a degree with seven decimals is 1.1 cm, a border has two sides.
        area_m2: smaller overlaps and gaps hold no device and are not told.
        sliver_m: an overlap or gap whose mean width is less is a sliver: two neighbours that were
            digitised apart rather than a piece of ground.
        outside_share: what of a cell may stick out of its parent; buildings stand on borders.
        gone_astray_share: a cell with more outside, or two cells that share more of the smaller
            one, are an error and not only a warning.
        far_m: a vertex farther from the district is a slip of the keyboard.
        partitions: kinds that cover their parent without rest; blocks leave the roads free.
        sizes_m2: from and to, by kind; outside of it a cell is tiny or huge.
        shift_m: a map that lies so far off as a whole is shifted, and not redrawn.
        most: so many findings of one kind are told one by one, of the rest only the number.
    """

    width_m: float = 0.05
    area_m2: float = 1.0
    sliver_m: float = 2.0
    outside_share: float = 0.02
    gone_astray_share: float = 0.5
    far_m: float = 20_000.0
    partitions: frozenset[SpaceKind] = frozenset(
        {SpaceKind.STREET, SpaceKind.COMMUNITY, SpaceKind.GRID}
    )
    sizes_m2: Mapping[SpaceKind, tuple[float, float]] = field(
        default_factory=lambda: dict(_SIZES_M2)
    )
    shift_m: float = 50.0
    most: int = 200
