"""Alarms and events in few words, for the tests of the desk's pure parts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from alerts.desk.nouns import Standing, Told

T0 = datetime.fromisoformat("2026-07-01T08:00:00+08:00")
_NAMES = UUID("00000000-0000-0000-0000-00000000000a")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def name(word: str) -> UUID:
    return uuid5(_NAMES, word)


def alarm(word: str, **change: Any) -> Standing:
    """Make an open, visible alarm of an id made of ``word``: a silent device behind gw-a."""
    plain: dict[str, Any] = {
        "alarm_id": name(word),
        "rule_id": "device-missing",
        "rule_type": "missing",
        "name_zh": "设备失联",
        "name_en": "Device silent",
        "subject": f"device:{word}",
        "field": "system",
        "quantity": "",
        "device_id": word,
        "gateway_id": "gw-a",
        "spaces": ("440303", "grid-a", "b-1"),
        "block": "b-1",
        "lon": 114.1,
        "lat": 22.5,
        "severity": 2,
        "peak": 2,
        "state": "unacknowledged",
        "life_safety": False,
        "advisory": False,
        "raised_at": T0,
        "seen_at": T0,
        "active": True,
        "open": True,
        "hidden": None,
        "hidden_by": None,
        "incident_id": None,
    }
    return Standing(**(plain | change))


def offline(gateway: str = "gw-a", **change: Any) -> Standing:
    plain: dict[str, Any] = {
        "rule_id": "gateway-offline",
        "rule_type": "gateway_offline",
        "subject": f"gateway:{gateway}",
        "device_id": None,
        "gateway_id": gateway,
    }
    return alarm(f"offline-{gateway}", **(plain | change))


def event(number: int, kind: str, seconds: float, **change: Any) -> Told:
    plain: dict[str, Any] = {
        "event_id": number,
        "alarm_id": name("puddle"),
        "rule_id": "water-level",
        "subject": "device:puddle",
        "kind": kind,
        "actor": "engine",
        "at": at(seconds),
        "severity": 2,
        "state": "unacknowledged",
        "hidden": None,
        "verdict": None,
    }
    return Told(**(plain | change))
