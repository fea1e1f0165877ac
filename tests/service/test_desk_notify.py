"""The desk inside `blocktwin notify`: what a duty room's webhook hears of one dead gateway."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts import store
from tests.support.desk import PUDDLES, RULES, SMOKE, Story, desk_district, since_dawn
from tests.support.receiver import receiving
from tests.support.servers import Runner, settings
from tests.support.waiting import wait_until
from twin.store import load_district

Conn = psycopg.Connection[Any]

SETTLE_S = 0.5


@pytest.fixture
def district(conn: Conn, tmp_path: Path) -> Conn:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "all.toml").write_text(RULES)
    store.load_rules(conn, str(folder))
    load_district(conn, desk_district(400))
    return conn


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def waiting(conn: Conn) -> int:
    """Return how many deliveries to the duty room are neither made nor withheld for good."""
    row = conn.execute(
        "SELECT count(*) FROM notify_delivery n LEFT JOIN desk_verdict v USING (event_id)"
        " WHERE channel = 'duty' AND delivered_at IS NULL AND withheld_at IS NULL"
        " AND folded_at IS NULL AND given_up_at IS NULL AND v.recheck_at IS NULL"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_dead_gateway_and_a_flapping_sensor_are_one_message_each(
    district: Conn, dsn: str, run_blocktwin: Runner, free_port: int
) -> None:
    sensors = [
        row[0]
        for row in district.execute(
            "SELECT 'device:' || device_id FROM device WHERE gateway_id = 'gw-a'"
            " AND device_id LIKE '%.%' ORDER BY 1 LIMIT 200"
        )
    ]
    assert len(sensors) == 200
    with receiving() as receiver:
        env = settings(
            dsn,
            notify__webhooks=[{"name": "duty", "url": receiver.url}],
            notify__http_port=free_port,
            desk__settle_s=SETTLE_S,
        )
        run_blocktwin("notify", env=env)
        wait_until(lambda: ready(free_port), 30)
        story = Story(district)
        now = since_dawn()
        story.says("raised", now, "device-missing", *sensors[:100])
        story.says("raised", now, "gateway-offline", "gateway:gw-a")
        story.says("raised", now, "device-missing", *sensors[100:])
        for turn in range(10):
            story.says("raised", now + turn, "water-level", PUDDLES[0])
            story.says("returned", now + turn + 0.5, "water-level", PUDDLES[0])
        story.says("raised", now, "smoke", SMOKE)
        wait_until(lambda: story.hidden() == 200, 30)
        wait_until(lambda: len(receiver.accepted) >= 3, 30)
        wait_until(lambda: waiting(district) == 0, 30)
        heard = sorted(
            (event["data"]["alarm"]["subject"], event["data"]["kind"])
            for event in receiver.events()
        )
    assert heard == sorted([("gateway:gw-a", "raised"), (PUDDLES[0], "raised"), (SMOKE, "raised")])
