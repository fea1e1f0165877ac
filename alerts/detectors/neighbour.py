"""Does this series part from its neighbours?

Rain, traffic or a brown-out moves all instruments of a place together; one that moves alone, or
stays behind, is what is looked for. The usual difference to each of up to eight neighbours is
learned, and the middle one of the differences left is judged, so no single neighbour decides.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from alerts.detectors.baseline import Guess
from alerts.detectors.columns import Column, Columns
from alerts.detectors.detector import DetectorOptions, ResidualDetector
from alerts.detectors.near import ages_us, heard, nearest
from alerts.judges import Board, Bool, Index
from core.batch import F8, I4, I8
from core.registry import Registry, SeriesInfo

PEERS = 8
"""Neighbours of a row at most."""

_OFFSET_RATE = 0.01


class NeighbourOptions(DetectorOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``neighbour``.

    Attributes:
        radius_m: how far a neighbour may be; without positions, those of the same smallest space.
        least: neighbours that must be heard for a judgement.
        fresh: own intervals for which a neighbour's reading counts.
    """

    radius_m: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 1000.0
    least: Annotated[float, msgspec.Meta(ge=1, le=PEERS)] = 2.0
    fresh: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 3.0


class Offsets(Columns):
    """The usual difference to each neighbour.

    Attributes:
        seen: how often both were heard, 0: never.
        who: a sum of the neighbour's name, so that a snapshot fits neighbours in another order.
    """

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "offset": Column(dtype="f4", width=PEERS),
        "seen": Column(dtype="u1", width=PEERS),
        "who": Column(dtype="u4", width=PEERS),
    }

    offset: npt.NDArray[np.float32]
    seen: npt.NDArray[np.uint8]
    who: npt.NDArray[np.uint32]


class Neighbour(ResidualDetector):
    """The median of the unusual differences to the neighbours."""

    name = "neighbour"
    Options: ClassVar[type[msgspec.Struct]] = NeighbourOptions
    RATE = 0.01

    def __init__(
        self,
        options: Any,
        series: Sequence[SeriesInfo],
        registry: Registry,
        levels: Sequence[float],
    ) -> None:
        super().__init__(options, series, levels)
        self.peers = _peers(self.series, registry, options.radius_m)
        self.offsets = Offsets(len(series))
        self.blocks["offsets."] = self.offsets
        self._who = _names(self.peers, registry)
        self.offsets.who[:] = self._who
        self._enough = options.least
        self._age_us = ages_us(options.fresh, series)

    def _judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:
        """Judge readings against their neighbours'."""
        theirs, fresh = heard(self.peers, row, at_us, self._age_us[row], board)
        apart = value[:, None] - theirs
        known = fresh & (self.offsets.seen[row] > 0)
        unusual = np.where(known, apart - self.offsets.offset[row], np.inf)
        enough = known.sum(axis=1) >= self._enough
        signal = np.where(enough, _middle(unusual, known), np.nan)
        speaks = np.ones(len(row), dtype=np.bool_)
        said, taught = self._compare(row, at_us, signal, learn, speaks)
        first = learn & ~enough & (self.episode.since_us[row] == 0)
        self._learn_offsets(row, apart, fresh & (taught | first)[:, None])
        self.said.value[row] = value
        return said

    def forget(self, row: Index) -> None:
        """Begin anew for some rows; their neighbours stay."""
        super().forget(row)
        self.offsets.who[row] = self._who[row]

    def resume(self, state: Mapping[str, npt.NDArray[Any]], mine: Index, theirs: Index) -> None:
        """Take over rows; what was learned of a neighbour goes with it to its present place.

        Raises:
            ValueError: if the arrays are not those of this version.
        """
        super().resume(state, mine, theirs)
        own = self._who[mine]
        same = (own[:, :, None] == self.offsets.who[mine][:, None, :]) & (own[:, :, None] != 0)
        place = same.argmax(axis=2)
        found = same.any(axis=2)
        offset = np.take_along_axis(self.offsets.offset[mine], place, axis=1)
        seen = np.take_along_axis(self.offsets.seen[mine], place, axis=1)
        self.offsets.offset[mine] = np.where(found, offset, 0)
        self.offsets.seen[mine] = np.where(found, seen, 0)
        self.offsets.who[mine] = own

    def _learn_offsets(self, row: Index, apart: F8, taught: Bool) -> None:
        seen = self.offsets.seen[row]
        rate = np.maximum(_OFFSET_RATE, 1.0 / (seen + 1.0))
        offset = self.offsets.offset[row].astype(np.float64)
        self.offsets.offset[row] = np.where(taught, offset + rate * (apart - offset), offset)
        self.offsets.seen[row] = np.where(taught, np.minimum(seen, 254) + 1, seen)

    def _note(self, row: Index, signal: F8, guess: Guess, known: Bool) -> None:
        self.said.expected[row] = signal - guess.value[known]
        self.said.scale[row] = guess.scale[known]

    def _sentence(self, row: int) -> tuple[str, str]:
        value, apart = float(self.said.value[row]), float(self.said.expected[row])
        scale, unit = float(self.said.scale[row]), self._unit(row)
        count = int((self.peers[row] >= 0).sum())
        return (
            (
                f"{value:.4g}{unit}，与附近{count}个同类测点相比偏离{apart:+.3g}{unit}"
                f"（平时约±{scale:.2g}{unit}）"
            ),
            (
                f"{value:.4g}{unit}, {apart:+.3g}{unit} apart from its {count} neighbours "
                f"(usually within {scale:.2g}{unit})"
            ),
        )


def _peers(series: Sequence[SeriesInfo], registry: Registry, radius_m: float) -> I4:
    """Return the nearest series of the same kind and quantity of each row."""
    peers = np.full((len(series), PEERS), -1, dtype=np.int32)
    sorts: dict[tuple[str, str], list[SeriesInfo]] = {}
    for info in registry.by_id.values():
        sorts.setdefault((info.kind, info.quantity), []).append(info)
    rows: dict[tuple[str, str], list[int]] = {}
    for row, info in enumerate(series):
        rows.setdefault((info.kind, info.quantity), []).append(row)
    for sort, members in rows.items():
        own = [series[row] for row in members]
        peers[members] = nearest(own, sorts.get(sort, ()), radius_m, PEERS)
    return peers


def _middle(unusual: F8, known: Bool) -> F8:
    """Return the median of each line's known values, which are those that are not infinite."""
    ordered = np.sort(unusual, axis=1)
    count = np.maximum(known.sum(axis=1), 1)
    line = np.arange(len(ordered))
    low, high = ordered[line, (count - 1) // 2], ordered[line, count // 2]
    middle: F8 = np.where(known.any(axis=1), low / 2 + high / 2, 0.0)
    return middle


def _names(peers: I4, registry: Registry) -> npt.NDArray[np.uint32]:
    """Return a sum of each neighbour's name, 0 where there is none."""
    sums = {-1: 0}
    for one in np.unique(peers[peers >= 0]).tolist():
        info = registry.by_id[one]
        sums[one] = zlib.crc32(f"{info.device_id}:{info.quantity}".encode()) or 1
    return np.array([[sums[one] for one in line] for line in peers.tolist()],
                    dtype=np.uint32).reshape(peers.shape)  # fmt: skip
