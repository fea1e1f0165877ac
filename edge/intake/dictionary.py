"""From foreign names and values to readings of ours: ids, quantities, units, scales, words.

Pure. ``edge.intake.map_file`` makes a ``Dictionary`` from a file; an empty one works too. What no
entry names goes on under an id made of its own name, so that the worker refuses it as unknown and
keeps it, where a person finds it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from core.model import Channel, Reading, is_id
from edge.intake.words import Aside, Door, Kind, Sample, Why, plausible, shown

_HASH_SIGNS = 8
_LONGEST = 64
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_ODD = re.compile(r"[^a-z0-9._-]+")
_TRUTH: Mapping[str, float] = {"true": 1.0, "false": 0.0}


@lru_cache(maxsize=65536)
def as_id(text: str) -> str:
    """Return a valid id for any text, always the same; a changed one ends in a hash of the text.

    Without the hash "A b" and "a-B" would become one device.

    Example:
        >>> as_id("smoke-7f"), as_id("Smoke 7F/03")
        ('smoke-7f', 'smoke-7f-03-21d642dd')
    """
    if is_id(text):
        return text
    # A name may hold half a surrogate pair, which has no UTF-8.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_SIGNS]
    plain = _ODD.sub("-", text.lower()).strip("-._")
    return f"{plain[: _LONGEST - _HASH_SIGNS - 1].rstrip('-._') or 'x'}-{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one foreign key means.

    Attributes:
        quantity: a key of ``core.units.QUANTITIES``.
        unit: what goes over the wire; None when it is the quantity's own.
        scale: the number is multiplied by it, then ``offset`` added; the result is in ``unit``.
        words: what text stands for, lower case.
        ignore: count it and send nothing.
    """

    quantity: str = ""
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    words: Mapping[str, float] = field(default_factory=dict)
    ignore: bool = False


Place = tuple[Door | None, str | None, str]
"""Door (None: any), foreign device (None: any), foreign key."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """All that is known of foreign names.

    Attributes:
        devices: (door or None for any, foreign name) -> device id.
        keys: what a key means; an entry of one device goes before one of all, then door before any.
    """

    devices: Mapping[tuple[Door | None, str], str] = field(default_factory=dict)
    keys: Mapping[Place, Entry] = field(default_factory=dict)

    def device(self, door: Door, name: str) -> str:
        """Return the id of a foreign device."""
        for place in ((door, name), (None, name)):
            if (found := self.devices.get(place)) is not None:
                return found
        return as_id(name)

    def entry(self, door: Door, device: str, key: str) -> Entry | None:
        """Return what a foreign key of a foreign device means, None if no entry says."""
        for place in (
            (door, device, key),
            (None, device, key),
            (door, None, key),
            (None, None, key),
        ):
            if (found := self.keys.get(place)) is not None:
                return found
        return None

    def readings(
        self, door: Door, samples: Iterable[Sample]
    ) -> tuple[list[tuple[Channel, Reading]], list[Aside]]:
        """Return what the samples are in our words, and what of them cannot be said."""
        found: list[tuple[Channel, Reading]] = []
        asides: list[Aside] = []
        for sample in samples:
            said = self._say(door, sample)
            if isinstance(said, Reading):
                found.append((sample.channel, said))
            else:
                asides.append(
                    Aside(
                        why=said, device=sample.device, key=sample.key, detail=shown(sample.value)
                    )
                )
        return found, asides

    def _say(self, door: Door, sample: Sample) -> Reading | Why:
        entry = self.entry(door, sample.device, sample.key)
        if entry is None:
            if sample.kind is Kind.LINK:
                return Why.LINK
            if sample.kind is Kind.ATTRIBUTE:
                return Why.ATTRIBUTE
            entry = Entry(quantity=as_id(sample.key))
        elif entry.ignore:
            return Why.IGNORED
        number = as_number(sample.value, entry.words)
        if isinstance(number, Why):
            return number
        value = number * entry.scale + entry.offset
        if not math.isfinite(value):
            return Why.NOT_FINITE
        if not plausible(sample.at_s):
            return Why.BAD_TIME
        return Reading(
            device=self.device(door, sample.device),
            quantity=entry.quantity,
            observed_s=sample.at_s,
            value=value,
            unit=entry.unit,
        )


def as_number(value: object, words: Mapping[str, float] = _TRUTH) -> float | Why:
    """Return a decoded value as a number, or why it is none.

    Numbers may come as text; ``true`` and ``false`` may too. ``words`` go first.

    Example:
        >>> as_number(True), as_number("21.5"), as_number("ON", {"on": 1.0}), as_number("open")
        (1.0, 21.5, 1.0, <Why.TEXT: 'text'>)
    """
    if value is None:
        return Why.NULL
    if isinstance(value, str):
        return _text_as_number(value, words)
    if not isinstance(value, bool | int | float):
        return Why.NESTED
    try:
        number = float(value)
    except OverflowError:
        return Why.NOT_FINITE
    return number if math.isfinite(number) else Why.NOT_FINITE


def _text_as_number(text: str, words: Mapping[str, float]) -> float | Why:
    plain = text.strip().lower()
    for known in (words, _TRUTH):
        if plain in known:
            return known[plain]
    if _NUMBER.fullmatch(plain) is None:
        return Why.TEXT
    number = float(plain)
    return number if math.isfinite(number) else Why.NOT_FINITE
