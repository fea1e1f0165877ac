"""What is plausible of one series: its quantity's defaults, or what its device says instead.

A device says it in its attributes, under ``quality``, quantity by quantity::

    {"quality": {"temperature": {"high": 80, "stuck_s": 3600}, "depth": {"jump": null}}}

What cannot be used is told in a sentence, and the defaults stay. Pure; needs no server package.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence

import msgspec

from core.units import QUANTITIES

OWN_KEYS = ("low", "high", "jump", "jump_per_s", "stuck_s")
_HUGE = 1e15  # years of seconds, and more than any instrument shows
_MAY_BE_NULL = ("jump", "stuck_s")
"""Keys that null switches off: any step, any time."""


class Plausible(msgspec.Struct, frozen=True, kw_only=True):
    """What is believed of a series; see ``core.units.Quantity`` for each of them."""

    low: float = -math.inf
    high: float = math.inf
    jump: float = math.inf
    jump_per_s: float = 0.0
    stuck_s: float = math.inf
    rest: float | None = None
    own_stuck_s: bool = False
    """Whether the device itself says ``stuck_s``: then it is meant as it stands."""


def default_of(quantity: str) -> Plausible:
    """Return what holds for a quantity; everything is plausible of an unknown one.

    Example:
        >>> default_of("depth").high, default_of("radon").high
        (5, inf)
    """
    known = QUANTITIES.get(quantity)
    if known is None:
        return Plausible()
    return Plausible(
        low=known.low,
        high=known.high,
        jump=known.jump,
        jump_per_s=known.jump_per_s,
        stuck_s=known.stuck_s,
        rest=known.rest,
    )


def own_of(quantity: str, said: object) -> Plausible | None:
    """Return what holds for a quantity of a device; None if that is the default.

    Args:
        quantity: quantity id.
        said: the device's ``quality`` attribute, decoded JSON; faults in it are passed over.

    Example:
        >>> own_of("depth", {"depth": {"high": 8.0}}).high
        8.0
        >>> own_of("depth", {"depth": {"high": "deep"}}) is None
        True
    """
    if not isinstance(said, dict) or quantity not in said or quantity not in QUANTITIES:
        return None
    if next(_entry_faults(quantity, said[quantity]), None) is not None:
        return None
    return _merged(default_of(quantity), said[quantity])


def faults_of(said: object, measured: Sequence[str] | None = None) -> Iterator[str]:
    """Yield what is wrong with a device's ``quality`` attribute, in words.

    Args:
        said: the attribute, decoded JSON.
        measured: the quantities of the device; None if they are not to be compared.

    Example:
        >>> list(faults_of({"depth": {"hihg": 5}, "temprature": {}}))
        ["attributes.quality.depth: unknown key 'hihg' (did you mean 'high'?)", \
"attributes.quality: unknown quantity 'temprature' (did you mean 'temperature'?)"]
    """
    if not isinstance(said, dict):
        yield "attributes.quality: must be an object of quantities"
        return
    for quantity, entry in said.items():
        if quantity not in QUANTITIES:
            near = _near(quantity, QUANTITIES)
            yield f"attributes.quality: unknown quantity {quantity!r}{near}"
        elif measured is not None and quantity not in measured:
            yield f"attributes.quality: the device does not measure {quantity!r}"
        else:
            for fault in _entry_faults(quantity, entry):
                yield f"attributes.quality.{quantity}: {fault}"


def _entry_faults(quantity: str, entry: object) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"must be an object with keys of {', '.join(OWN_KEYS)}"
        return
    sound = True
    for key, value in entry.items():
        fault = _fault(key, value)
        if fault:
            sound = False
            yield fault
    if sound:
        merged = _merged(default_of(quantity), entry)
        if merged.low >= merged.high:
            yield f"low ({merged.low:g}) must be less than high ({merged.high:g})"


def _fault(key: str, value: object) -> str:
    if key not in OWN_KEYS:
        return f"unknown key {key!r}{_near(key, OWN_KEYS)}"
    if value is None and key in _MAY_BE_NULL:
        return ""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _HUGE:
        return f"{key}: must be a number{' or null' if key in _MAY_BE_NULL else ''}"
    if key in ("jump", "jump_per_s") and value < 0:
        return f"{key}: must be 0 or more"
    if key == "stuck_s" and value <= 0:
        return "stuck_s: must be more than 0, or null for never"
    return ""


def _merged(default: Plausible, entry: dict[str, float | None]) -> Plausible:
    own = {key: math.inf if value is None else float(value) for key, value in entry.items()}
    return msgspec.structs.replace(default, **own, own_stuck_s="stuck_s" in own)


def _near(word: str, known: object) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)  # type: ignore[call-overload]
    return f" (did you mean {close[0]!r}?)" if close else ""
