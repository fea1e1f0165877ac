"""Which series exist and what is known of each: the worker's picture of the registered devices.

Built from the database by ``core.db.registry``; pure, so decode and the engine run without one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from core.model import Field
from core.plausible import Plausible

EMPTY: Mapping[str, tuple[str, ...]] = MappingProxyType({})
"""No relations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesInfo:
    """One device × one quantity.

    Attributes:
        series_id: small positive integer.
        interval_s: expected seconds between two readings.
        spaces: codes of the containing spaces, district first, smallest last; empty if unplaced.
        plausible: what the device says is plausible of it; None: what its quantity says.
        lon: degrees east; lat: degrees north, EPSG:4490; NaN if not known.
        tags: the device's attribute ``tags``.
    """

    series_id: int
    device_id: str
    quantity: str
    kind: str
    field: Field
    gateway_id: str
    interval_s: float
    spaces: tuple[str, ...] = ()
    plausible: Plausible | None = None
    lon: float = math.nan
    lat: float = math.nan
    tags: tuple[str, ...] = ()


class Registry:
    """All registered series, looked up by SenML name (``device:quantity``) or by id.

    Attributes:
        ids: ``"device:quantity"`` -> series id.
        by_id: series id -> SeriesInfo.
        devices: ids of all registered devices.
        gateways: ids of all registered gateways.
        size: one more than the largest series id: the length of arrays indexed by series id.
        faults: what is registered and cannot be used, in words; something else holds instead.
        drains: what lies directly downstream in the drainage networks in force, by reference
            (``device:ID``, ``node:ID``, ``space:CODE``); ``powers``: what is fed directly.
    """

    __slots__ = ("by_id", "devices", "drains", "faults", "gateways", "ids", "powers", "size")

    def __init__(
        self,
        series: Iterable[SeriesInfo],
        gateways: Iterable[str] = (),
        faults: Iterable[str] = (),
        drains: Mapping[str, tuple[str, ...]] = EMPTY,
        powers: Mapping[str, tuple[str, ...]] = EMPTY,
    ) -> None:
        self.by_id = {info.series_id: info for info in series}
        self.ids = {f"{one.device_id}:{one.quantity}": one.series_id for one in self.by_id.values()}
        self.devices = frozenset(info.device_id for info in self.by_id.values())
        self.gateways = frozenset(gateways) | {info.gateway_id for info in self.by_id.values()}
        self.size = max(self.by_id, default=0) + 1
        self.faults = tuple(faults)
        self.drains = drains
        self.powers = powers

    def find(self, name: str) -> SeriesInfo | None:
        """Return the series of a SenML name (``device:quantity``), None if there is none."""
        series_id = self.ids.get(name)
        return None if series_id is None else self.by_id[series_id]
