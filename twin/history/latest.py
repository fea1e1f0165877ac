"""The newest reading of every series, as columns in which each name stands once."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.db.queries import load
from core.errors import UsageError
from twin.history.store import Columns, Conn

SQL = load("twin.history", "latest.sql")

MOST_SERIES = 500_000
"""Series in one answer at most: 240,000 devices measure about that much. One more is refused."""

EPOCH_2000_US = 946_684_800_000_000
"""PostgreSQL counts from 2000-01-01; microseconds since 1970."""

Packed = npt.NDArray[Any]

_ROW = np.dtype(
    [("series", ">i4"), ("observed", ">i8"), ("received", ">i8"), ("value", ">f8"), ("q", ">i4")]
)


_NAMES = frozenset({"devices", "quantities"})


class TooManySeries(UsageError):
    """More series fit the question than one answer may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which series; None means any. A space means it and all that lies in it."""

    field: str | None = None
    kind: str | None = None
    gateway: str | None = None
    space: str | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Choice()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Which device and quantity some series are.

    Attributes:
        series: ids, ascending.
        device: for each series the index of its device among ``devices``; ``quantity`` likewise.
    """

    series: npt.NDArray[np.int32]
    device: npt.NDArray[np.int32]
    quantity: npt.NDArray[np.int32]
    devices: list[str]
    quantities: list[str]


async def catalog(conn: Conn, choice: Choice | None = None) -> Catalog:
    """Read the names of the chosen series.

    Raises:
        TooManySeries: if they are more than ``MOST_SERIES``.
    """
    chosen = choice or Choice()
    parameters = {
        "field": chosen.field,
        "kind": chosen.kind,
        "gateway": chosen.gateway,
        "space": chosen.space,
    }
    row = await (await conn.execute(SQL["catalog"], parameters)).fetchone()
    return await asyncio.to_thread(parse_catalog, (row[0] if row else None) or "")


def parse_catalog(text: str) -> Catalog:
    r"""Return the catalogue of lines of series, device and quantity.

    Raises:
        TooManySeries: if they are more than ``MOST_SERIES``.

    Example:
        >>> found = parse_catalog("3 heat.1 temperature\n8 heat.2 temperature")
        >>> found.series.tolist(), found.device.tolist(), found.quantity.tolist()
        ([3, 8], [0, 1], [0, 0])
        >>> found.devices, found.quantities
        (['heat.1', 'heat.2'], ['temperature'])
    """
    words = text.split()
    if len(words) > 3 * MOST_SERIES:
        raise TooManySeries(
            f"{len(words) // 3} series are more than the {MOST_SERIES} of one answer",
            remedy="ask for one field, kind, gateway or space",
        )
    devices: dict[str, int] = {}
    quantities: dict[str, int] = {}
    device = [devices.setdefault(word, len(devices)) for word in words[1::3]]
    quantity = [quantities.setdefault(word, len(quantities)) for word in words[2::3]]
    return Catalog(
        series=np.array(words[0::3], dtype=np.int32),
        device=np.array(device, dtype=np.int32),
        quantity=np.array(quantity, dtype=np.int32),
        devices=list(devices),
        quantities=list(quantities),
    )


async def latest(conn: Conn, choice: Choice) -> Columns:
    """Return the newest reading of each chosen series that has one, by series id.

    ``t`` (device clock) and ``r`` (received) are milliseconds since the Unix epoch; ``v`` is in the
    quantity's own unit; ``device`` and ``quantity`` are indexes into ``devices``, ``quantities``.

    Raises:
        TooManySeries: if they are more than ``MOST_SERIES``.
    """
    names = await catalog(conn, choice)
    wanted = None if choice.everything else names.series.tolist()
    cursor = await conn.execute(SQL["latest"], {"series": wanted}, binary=True)
    row = await cursor.fetchone()
    packed = np.frombuffer((row[0] if row else None) or b"", dtype=_ROW)
    return await asyncio.to_thread(columns, names, packed)


def columns(names: Catalog, packed: Packed) -> Columns:
    """Return packed rows of ``series``, ``observed``, ``value`` and ``q`` as named columns."""
    rows = packed[np.argsort(packed["series"], kind="stable")]
    place = np.searchsorted(names.series, rows["series"])
    known = place < len(names.series)
    known[known] = names.series[place[known]] == rows["series"][known]
    rows, place = rows[known], place[known]
    return {
        "devices": names.devices,
        "quantities": names.quantities,
        "series": rows["series"].tolist(),
        "device": names.device[place].tolist(),
        "quantity": names.quantity[place].tolist(),
        "t": _ms(rows["observed"]),
        "v": rows["value"].tolist(),
        "q": rows["q"].tolist(),
        **({"r": _ms(rows["received"])} if "received" in (rows.dtype.names or ()) else {}),
    }


def only(found: Columns, devices: Container[str]) -> Columns:
    """Return the columns of some devices; the names stay as they are."""
    names = found["devices"]
    kept = [i for i, index in enumerate(found["device"]) if names[index] in devices]
    return {
        key: column if key in _NAMES else [column[i] for i in kept] for key, column in found.items()
    }


def _ms(since_2000_us: npt.NDArray[np.int64]) -> list[int]:
    found: list[int] = ((since_2000_us.astype(np.int64) + EPOCH_2000_US) // 1000).tolist()
    return found
