"""Readings as columns: the only form the hot path knows.

Kept apart from ``core.model`` because it needs numpy, which the gateway agent does not install.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

I4 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int64]
F8 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Readings as equally long columns.

    Attributes:
        series: int32, series ids.
        observed_us: int64, device clock, microseconds since the Unix epoch, UTC.
        received_us: int64, our clock, same unit.
        value: float64, in the unit of the series' quantity.
        quality: int32, bits of ``core.model.Quality``.
    """

    series: I4
    observed_us: I8
    received_us: I8
    value: F8
    quality: I4

    def __len__(self) -> int:
        return len(self.series)

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Batch:
        """Return the rows that ``index`` (positions or a mask) names, in its order."""
        return Batch(
            series=self.series[index],
            observed_us=self.observed_us[index],
            received_us=self.received_us[index],
            value=self.value[index],
            quality=self.quality[index],
        )

    def sorted(self) -> Batch:
        """Return the rows by series, then by device time; equal keys keep their order."""
        return self.take(np.lexsort((self.observed_us, self.series)))


def empty() -> Batch:
    """Return a Batch without rows."""
    return of([], [], [], [], [])


def of(
    series: object, observed_us: object, received_us: object, value: object, quality: object
) -> Batch:
    """Build a Batch from any array-likes of equal length.

    Raises:
        ValueError: if the lengths differ.
    """
    batch = Batch(
        series=np.asarray(series, dtype=np.int32),
        observed_us=np.asarray(observed_us, dtype=np.int64),
        received_us=np.asarray(received_us, dtype=np.int64),
        value=np.asarray(value, dtype=np.float64),
        quality=np.asarray(quality, dtype=np.int32),
    )
    lengths = {len(batch.observed_us), len(batch.received_us), len(batch.value), len(batch.quality)}
    if lengths != {len(batch.series)}:
        raise ValueError(f"columns differ in length: series {len(batch.series)}, others {lengths}")
    return batch
