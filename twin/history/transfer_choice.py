"""Which series an export takes: the filters against the registry. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.config import nearest
from core.errors import UsageError
from core.registry import Registry, SeriesInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Words of each kind; of one kind any fits, of several kinds each must; none lets all pass.

    Attributes:
        spaces: codes of spaces; what stands in one of them or below is taken.
    """

    devices: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()


def choose(registry: Registry, filters: Filters) -> list[SeriesInfo]:
    """Return the series that fit, by series id.

    Raises:
        UsageError: if a word names nothing that is registered, or nothing fits all of them.
    """
    every = [registry.by_id[series_id] for series_id in sorted(registry.by_id)]
    _must_know("device", filters.devices, {info.device_id for info in every})
    _must_know("quantity", filters.quantities, {info.quantity for info in every})
    _must_know("kind", filters.kinds, {info.kind for info in every})
    _must_know("space", filters.spaces, {code for info in every for code in info.spaces})
    found = [info for info in every if _fits(info, filters)]
    if not found:
        raise UsageError(
            "no series fits all filters", remedy="see what there is: blocktwin district list"
        )
    return found


def _fits(info: SeriesInfo, filters: Filters) -> bool:
    return (
        (not filters.devices or info.device_id in filters.devices)
        and (not filters.quantities or info.quantity in filters.quantities)
        and (not filters.fields or str(info.field) in filters.fields)
        and (not filters.kinds or info.kind in filters.kinds)
        and (not filters.spaces or not set(filters.spaces).isdisjoint(info.spaces))
    )


def _must_know(kind: str, words: Iterable[str], known: set[str]) -> None:
    for word in words:
        if word not in known:
            few = sorted(known) if len(known) <= 30 else []
            raise UsageError(
                f"no registered series has the {kind} {word!r}",
                remedy=nearest(word, few) if few else "see the list: blocktwin district list",
            )
