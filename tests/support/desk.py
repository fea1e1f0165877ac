"""A district with alarms on it, and the desk over them, for tests that set the clock themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from alerts import store
from alerts.desk import store as desk_store
from alerts.desk.config import DeskConfig
from alerts.desk.store import Places
from alerts.desk.work import Look, look
from core.model import Device, District, Field, Severity, Transition, TransitionKind
from tests.support.alerting import transition
from tests.support.small_district import BLOCK, SOUTH, STEP, WEST, small_district

Conn = psycopg.Connection[Any]

DAWN = datetime.now(UTC) - timedelta(hours=12)
"""When the stories of the tests begin."""

RULES = """
[[rule]]
id = "gateway-offline"
name = { zh = "网关离线", en = "Gateway offline" }
field = "system"
type = "gateway_offline"
levels = [{ severity = "yellow" }]
advice = { zh = "做", en = "do" }
source = "editable seed"

[[rule]]
id = "device-missing"
name = { zh = "设备失联", en = "Device silent" }
field = "system"
type = "missing"
levels = [{ severity = "blue" }]
advice = { zh = "做", en = "do" }
source = "editable seed"

[[rule]]
id = "water-level"
name = { zh = "水位高", en = "High water" }
field = "water"
type = "high"
select = { kind = ["waterlogging"], quantity = "depth" }
levels = [
    { severity = "yellow", raise = 0.3, clear = 0.2 },
    { severity = "red", raise = 0.6, clear = 0.5 },
]
advice = { zh = "做", en = "do" }
source = "editable seed"

[[rule]]
id = "voltage-low"
name = { zh = "电压低", en = "Low voltage" }
field = "traffic"
type = "low"
select = { kind = ["charging_voltage"], quantity = "voltage" }
levels = [{ severity = "yellow", raise = 198.0, clear = 202.0 }]
advice = { zh = "做", en = "do" }
source = "editable seed"

[[rule]]
id = "smoke"
name = { zh = "感烟报警", en = "Smoke detector alarm" }
field = "fire"
type = "high"
select = { kind = ["smoke"], quantity = "smoke_alarm" }
levels = [{ severity = "orange", raise = 1.0, clear = 0.5 }]
latch = true
life_safety = true
advice = { zh = "做", en = "do" }
source = "editable seed"
"""

_WORDS: dict[str, dict[str, Any]] = {
    "gateway-offline": {"field": Field.SYSTEM, "quantity": "", "severity": Severity.YELLOW},
    "device-missing": {"field": Field.SYSTEM, "quantity": "", "severity": Severity.BLUE},
    "water-level": {"field": Field.WATER, "quantity": "depth", "severity": Severity.YELLOW},
    "voltage-low": {"field": Field.TRAFFIC, "quantity": "voltage", "severity": Severity.YELLOW},
    "smoke": {
        "field": Field.FIRE, "quantity": "smoke_alarm", "severity": Severity.ORANGE,
        "latch": True, "life_safety": True,
    },
}  # fmt: skip


PUDDLES = ("device:puddle-1", "device:puddle-2")
"""Two instruments in one building; the smoke detector and the charger stand there too."""

SMOKE, CHARGER, SUPPLY, FAR_PUDDLE = (
    "device:smoke-1", "device:charger-1", "device:supply-1", "device:puddle-9",
)  # fmt: skip


def desk_district(sensors: int = 60) -> District:
    """Return a district whose gateway ``gw-a`` serves half of ``sensors``, and what is named above.

    The far puddle and the supply report through ``gw-b``, two blocks to the east.
    """
    plain = small_district(devices=sensors)
    named = [
        _device("puddle-1", "waterlogging", 0),
        _device("puddle-2", "waterlogging", 0),
        _device("smoke-1", "smoke", 0),
        _device("charger-1", "charging_voltage", 0),
        _device("supply-1", "charging_voltage", 3),
        _device("puddle-9", "waterlogging", 3),
    ]
    return District(spaces=plain.spaces, gateways=plain.gateways, devices=(*plain.devices, *named))


def _device(name: str, kind: str, column: int) -> Device:
    return Device(
        device_id=name,
        kind=kind,
        name=f"设备 {name}",
        lon=WEST + column * STEP + BLOCK / 2,
        lat=SOUTH + BLOCK / 2,
        gateway_id="gw-a" if column < 2 else "gw-b",
        interval_s=10.0,
    )


def since_dawn() -> float:
    """Return seconds from ``DAWN`` to this machine's now."""
    return (datetime.now(UTC) - DAWN).total_seconds()


class Story:
    """What happens at a desk, second by second after ``DAWN``."""

    def __init__(self, conn: Conn, **settings: Any) -> None:
        self.conn = conn
        self.cfg = DeskConfig(**settings)
        self.places = Places()
        desk_store.mark(conn)

    def says(self, kind: str, at_s: float, rule: str, *subjects: str, **change: Any) -> None:
        """Let the engine say the same of some subjects, stored in the moment it happens."""
        at = DAWN + timedelta(seconds=at_s)
        at_us = round(at.timestamp() * 1_000_000)
        words = _WORDS[rule] | {"rule_id": rule, "kind": TransitionKind(kind), "at_us": at_us}
        said: Sequence[Transition] = [
            transition(**(words | {"subject": subject} | change)) for subject in subjects
        ]
        store.apply(self.conn, said, at_us)

    def look(self, at_s: float) -> Look:
        """Let the desk look at a time, until there is nothing more to look at."""
        now = DAWN + timedelta(seconds=at_s)
        done = look(self.conn, self.cfg, self.places, now)
        rounds = 0
        while done.events or done.hidden or done.shown:
            done = look(self.conn, self.cfg, self.places, now)
            rounds += 1
            assert rounds < 100, "the desk keeps itself busy"
        return done

    def verdicts(self, verdict: str = "tell") -> list[tuple[str, str]]:
        """Return (kind, subject) of the events with a verdict, in order of the decisions."""
        rows = self.conn.execute(
            "SELECT kind, subject FROM desk_verdict JOIN alarm_event USING (event_id)"
            " JOIN alarm USING (alarm_id) WHERE verdict = %s ORDER BY decided_at, event_id",
            (verdict,),
        )
        return [(row[0], row[1]) for row in rows]

    def hidden(self) -> int:
        """Return how many open alarms are suppressed."""
        row = self.conn.execute(
            "SELECT count(*) FROM alarm WHERE hidden = 'suppressed' AND closed_at IS NULL"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def incidents(self) -> list[tuple[Any, ...]]:
        """Return state, fields, alarms, space and severity of the incidents, oldest first."""
        return self.conn.execute(
            "SELECT state, fields, alarms, space, severity FROM incident"
            " ORDER BY opened_at, incident_id"
        ).fetchall()
