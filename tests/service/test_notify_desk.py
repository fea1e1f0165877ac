"""The notifier and the alarm desk together: what a person hears of one cause with many effects."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import psycopg

from alerts import store
from alerts.desk.config import DeskConfig
from alerts.desk.run import Desk
from core.config import DatabaseConfig
from core.model import Field, Severity
from tests.support.alerting import S, transition
from tests.support.desk import PUDDLES, RULES, Story, desk_district, since_dawn
from tests.support.notifying import config, running, states
from tests.support.receiver import receiving
from tests.support.small_district import small_district
from tests.support.waiting import eventually
from twin.store import load_district

Conn = psycopg.Connection[Any]


async def test_a_gateway_with_two_hundred_sensors_dies_and_people_are_told_once(
    dsn: str, conn: Conn
) -> None:
    load_district(conn, small_district(devices=400))
    store.load_rules(conn)
    query = "SELECT device_id FROM device WHERE gateway_id = 'gw-a'"
    devices = [device for (device,) in conn.execute(query)]
    assert len(devices) == 200
    now_us = round(time.time() * S)
    system = {"field": Field.SYSTEM, "quantity": "", "at_us": now_us, "value": 30.0}
    silent = [
        transition(
            rule_id="device-missing", subject=f"device:{device}", severity=Severity.BLUE, **system
        )
        for device in devices
    ]
    offline = transition(
        rule_id="gateway-offline", subject="gateway:gw-a", severity=Severity.YELLOW, **system
    )
    desk_cfg, stop = DeskConfig(settle_s=1.0), asyncio.Event()
    with receiving() as receiver:
        async with (
            asyncio.TaskGroup() as tasks,
            running(dsn, config(receiver), settle_s=desk_cfg.settle_s + 10.0),
        ):
            desk = Desk(desk_cfg, DatabaseConfig(dsn=dsn), stop)
            tasks.create_task(desk.run(), name="desk")
            await eventually(lambda: desk.database_ok)
            # The effects first, as when each sensor's silence is noticed before the gateway's.
            for said in (silent, [offline]):
                with conn.transaction():
                    store.apply(conn, said, now_us)
            await eventually(lambda: settled(conn), 30)
            stop.set()
        assert [event["subject"] for event in receiver.events()] == ["gateway:gw-a"]


async def test_an_hour_of_flapping_is_at_most_two_messages(
    dsn: str, conn: Conn, tmp_path: Path
) -> None:
    (tmp_path / "all.toml").write_text(RULES)
    store.load_rules(conn, str(tmp_path))
    load_district(conn, desk_district())
    story, began = Story(conn), since_dawn()
    with receiving() as receiver:
        # The desk's clock is the story's; the notifier waits for its verdicts.
        async with running(dsn, config(receiver), settle_s=3600.0):
            for second in range(0, 3600, 40):
                for kind, after in (("raised", 0), ("returned", 20)):
                    story.says(kind, began + second + after, "water-level", PUDDLES[0])
                    story.look(began + second + after + 1)
                    await asyncio.sleep(0)
            await eventually(lambda: receiver.accepted)
            story.look(began + 3600 + 200)
            conn.execute("NOTIFY blocktwin_desk")
            await eventually(lambda: settled(conn, 180), 30)
    assert [event["data"]["kind"] for event in receiver.events()] == ["raised", "returned"]


def settled(conn: Conn, least: int = 201) -> bool:
    """Whether every delivery there is has come to an end, and there is one for each event."""
    ends = [what for _, _, what in states(conn)]
    row = conn.execute("SELECT count(*) FROM alarm_event").fetchone()
    return row is not None and len(ends) == row[0] >= least and "waiting" not in ends
