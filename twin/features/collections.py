"""The collections that are offered: what they hold, and by which properties one may filter."""

from __future__ import annotations

from dataclasses import dataclass

from core.model import AlarmState, Field, SpaceKind
from core.units import DEVICE_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A property that a request may ask for.

    Attributes:
        values: the only ones there are; None: any text.
    """

    description: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A feature collection.

    Attributes:
        temporal: what the time of a feature is, for people.
    """

    name: str
    title: str
    description: str
    temporal: str
    filters: dict[str, Filter]


_SPACE = {
    "kind": Filter(description="level of the tree", values=tuple(str(k) for k in SpaceKind)),
    "code": Filter(description="its code"),
    "parent": Filter(description="code of the space it lies in"),
}

COLLECTIONS = {
    collection.name: collection
    for collection in (
        Collection(
            name="spaces",
            title="空间单元 spaces",
            description="The block grid in force: district, streets, communities, grids, blocks, "
            "buildings, with their open alarms now",
            temporal="since when this outline is in force",
            filters=_SPACE,
        ),
        Collection(
            name="space-versions",
            title="空间单元历史 space versions",
            description="Every outline there ever was, with the time it was in force",
            temporal="when the outline was in force",
            filters=_SPACE,
        ),
        Collection(
            name="devices",
            title="感知设备 devices",
            description="Installed instruments, with freshness and worst open alarm now",
            temporal="since when the device is registered",
            filters={
                "kind": Filter(description="device kind", values=tuple(DEVICE_KINDS)),
                "field": Filter(
                    description="field of duty",
                    values=tuple(str(f) for f in Field if f is not Field.SYSTEM),
                ),
                "gateway_id": Filter(description="gateway it reports through"),
                "space": Filter(description="code of the space it is placed in"),
            },
        ),
        Collection(
            name="alarms",
            title="告警 alarms",
            description="Alarms, the newest first, where their device or gateway stands",
            temporal="from raised to closed; open alarms have no end",
            filters={
                "field": Filter(description="field of duty", values=tuple(str(f) for f in Field)),
                "severity": Filter(
                    description="1 blue, 2 yellow, 3 orange, 4 red", values=("1", "2", "3", "4")
                ),
                "state": Filter(
                    description="state after ISA-18.2", values=tuple(str(s) for s in AlarmState)
                ),
                "rule_id": Filter(description="the rule that raised it"),
                "device_id": Filter(description="the device it is about"),
            },
        ),
    )
}
