"""Read a district from JSON and check it, before anything touches the database. Pure.

The JSON is ``core.model.District`` word for word:
``{"spaces": [Space, …], "gateways": [Gateway, …], "devices": [Device, …]}``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from core.errors import UsageError
from core.model import Device, District, Gateway, Space, SpaceKind, is_id
from core.plausible import faults_of
from core.units import DEVICE_KINDS, QUANTITIES
from twin.kinds import BUILT_IN, Kinds

CODE_PATTERN = re.compile(r"[^\x00-\x20/\\?#%&,\x7f]{1,64}")
"""What a space code may look like: text that stands unescaped in a path and in a list."""

HIGHEST_M = 100_000
"""Metres above or below ground at most, of roofs and devices."""

INTERVALS_S = 1e-6, 1e9
"""Seconds between two reports, at least and at most."""

MAX_PROBLEMS = 5
"""How many findings one message names; the rest are counted."""

_LEVEL = {kind: level for level, kind in enumerate(SpaceKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store already holds and a district may therefore refer to.

    Attributes:
        spaces: code -> kind of every space in force.
        gateways: ids of the registered gateways.
    """

    spaces: Mapping[str, SpaceKind]
    gateways: frozenset[str]


EMPTY = Known(spaces={}, gateways=frozenset())


def decode(text: bytes, source: str) -> District:
    """Decode a district from JSON.

    Raises:
        UsageError: names ``source`` and the place in it.
    """
    try:
        return msgspec.json.decode(text, type=District)
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{source} is no district: {error}",
            remedy='write {"spaces": […], "gateways": […], "devices": […]} as docs/api.md shows',
        ) from error


def check(district: District, known: Known = EMPTY, kinds: Kinds = BUILT_IN) -> None:
    """Refuse a district that contradicts itself, what is known, or the schemas of its kinds.

    Raises:
        UsageError: names the first findings and counts the rest.
    """
    problems = list(_problems(district, known, kinds))
    if not problems:
        return
    shown = "; ".join(problems[:MAX_PROBLEMS])
    more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    raise UsageError(
        f"the district cannot be loaded: {shown}{more}",
        remedy="correct the input and load it again; nothing was changed",
    )


def _problems(district: District, known: Known, schemas: Kinds) -> Iterator[str]:
    yield from _repeated("space", (space.code for space in district.spaces))
    yield from _repeated("gateway", (gateway.gateway_id for gateway in district.gateways))
    yield from _repeated("device", (device.device_id for device in district.devices))
    kinds = dict(known.spaces) | {space.code: space.kind for space in district.spaces}
    for space in district.spaces:
        yield from _space_problems(space, kinds)
    for gateway in district.gateways:
        yield from _id_problems("gateway", gateway.gateway_id)
        yield from _position_problems(f"gateway {gateway.gateway_id}", gateway)
        yield from _text_problems(f"gateway {gateway.gateway_id}", gateway)
    gateways = known.gateways | {gateway.gateway_id for gateway in district.gateways}
    for device in district.devices:
        yield from _device_problems(device, gateways)
        for fault in schemas.faults(device.kind, device.attributes):
            yield f"device {device.device_id}: {fault}"


def _repeated(noun: str, ids: Iterable[str]) -> Iterator[str]:
    for text, times in Counter(ids).items():
        if times > 1:
            yield f"{noun} {text!r} stands {times} times"


def _id_problems(noun: str, text: str) -> Iterator[str]:
    if not is_id(text):
        yield f"{noun} id {text!r} must match [a-z0-9][a-z0-9._-]{{0,63}}"


def _position_problems(what: str, thing: Device | Gateway) -> Iterator[str]:
    if not (math.isfinite(thing.lon) and math.isfinite(thing.lat)):
        yield f"{what}: the position ({thing.lon}, {thing.lat}) is not finite"


def _height_problems(what: str, thing: Device | Space) -> Iterator[str]:
    if thing.height_m is not None and not abs(thing.height_m) <= HIGHEST_M:
        yield f"{what}: height_m must be finite, and {HIGHEST_M:,} m at most"


def _text_problems(what: str, thing: Device | Gateway | Space) -> Iterator[str]:
    """The store keeps no U+0000 and no half of a surrogate pair; JSON can say both."""
    try:
        text = msgspec.json.encode(thing)
    except UnicodeEncodeError:
        yield f"{what}: a text holds half of a surrogate pair (U+D800 to U+DFFF)"
        return
    if b"\\u0000" in text.replace(rb"\\", b""):
        yield f"{what}: a text holds the sign U+0000"


def _space_problems(space: Space, kinds: Mapping[str, SpaceKind]) -> Iterator[str]:
    if not CODE_PATTERN.fullmatch(space.code):
        yield f"space code {space.code!r} must be 1 to 64 signs, no blank, none of / \\ ? # % & ,"
    yield from _height_problems(f"space {space.code}", space)
    yield from _text_problems(f"space {space.code!r}", space)
    if (space.kind is SpaceKind.DISTRICT) != (space.parent is None):
        yield f"space {space.code}: exactly the districts have no parent"
    elif space.parent is not None and space.parent not in kinds:
        yield f"space {space.code}: its parent {space.parent!r} is unknown"
    elif space.parent is not None and _LEVEL[kinds[space.parent]] >= _LEVEL[space.kind]:
        yield f"space {space.code}: a {kinds[space.parent]} cannot contain a {space.kind}"


def _device_problems(device: Device, gateways: frozenset[str]) -> Iterator[str]:
    what = f"device {device.device_id}"
    yield from _id_problems("device", device.device_id)
    yield from _position_problems(what, device)
    if device.kind not in DEVICE_KINDS:
        yield f"{what}: kind {device.kind!r} is none of {', '.join(DEVICE_KINDS)}"
    if device.gateway_id not in gateways:
        yield f"{what}: gateway {device.gateway_id!r} is unknown"
    shortest_s, longest_s = INTERVALS_S
    if not shortest_s <= device.interval_s <= longest_s:
        yield f"{what}: interval_s must be more than 0 ({shortest_s:g} s to {longest_s:g} s)"
    yield from _height_problems(what, device)
    yield from _text_problems(what, device)
    for quantity in device.quantities:
        if quantity not in QUANTITIES:
            yield f"{what}: quantity {quantity!r} is unknown"
    if "quality" in device.attributes:
        kind = DEVICE_KINDS.get(device.kind)
        measured = device.quantities or (kind.quantities if kind is not None else None)
        for fault in faults_of(device.attributes["quality"], measured):
            yield f"{what}: {fault}"
