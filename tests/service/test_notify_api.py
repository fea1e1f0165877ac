"""Rosters, proofs, test messages and the CAP feed over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import psycopg
import pytest

from alerts import store
from alerts.notify.cap import ATOM_NS, CAP_NS
from core.model import CloseCause, Severity, TransitionKind
from tests.support.notifying import config, put_roster, raise_alarm, running
from tests.support.receiver import Receiver, receiving
from tests.support.small_district import small_district
from tests.support.twin_api import Api, running_api
from tests.support.waiting import eventually
from tests.unit.alerts.notify.test_cap import check
from twin.api import words_notify as words
from twin.store import load_district

Conn = psycopg.Connection[Any]
ROSTER: dict[str, Any] = {
    "name": {"zh": "微站", "en": "Micro station"},
    "space": "street-a",
    "level": "micro_station",
    "fields": ["fire"],
    "contacts": [{"name": "王", "channel": "duty", "address": "13800138000"}],
    "shifts": [{"days": ["mon"], "begin": "20:00", "end": "08:00", "contacts": ["王"]}],
}


@pytest.fixture
def world(conn: Conn) -> Conn:
    load_district(conn, small_district())
    store.load_rules(conn)
    return conn


@pytest.fixture
async def api(world: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(dsn, tmp_path) as running_one:
        yield running_one


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running_one:
        yield running_one


async def test_a_roster_is_written_read_and_removed(api: Api, world: Conn) -> None:
    refused = await api.viewer.put("/api/v1/rosters/micro", json=ROSTER)
    assert refused.status_code == 403
    made = await api.operator.put("/api/v1/rosters/micro", json=ROSTER)
    assert made.status_code == 200, made.text
    written = words.RosterWritten.model_validate(made.json())
    assert "no notifier has had a channel 'duty'" in written.warnings[0]
    found = await api.get("/api/v1/rosters")
    (roster,) = words.RosterList.model_validate(found).rosters
    assert (roster.space, roster.level, roster.changed_by) == (
        "street-a",
        "micro_station",
        "operator",
    )
    assert roster.contacts[0].address_masked == "138***00"
    assert "13800138000" not in made.text
    # What a page cannot know it leaves out, and it stays.
    kept = ROSTER | {"contacts": [{"name": "王", "channel": "duty"}], "min_severity": "red"}
    assert (await api.operator.put("/api/v1/rosters/micro", json=kept)).status_code == 200
    row = world.execute("SELECT contacts -> 0 ->> 'address', min_severity FROM roster").fetchone()
    assert row == ("13800138000", 4)
    gone = await api.operator.delete("/api/v1/rosters/micro")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await api.operator.delete("/api/v1/rosters/micro")).status_code == 404


async def test_a_roster_with_a_mistake_is_refused(api: Api, world: Conn) -> None:
    mistakes: tuple[dict[str, Any], ...] = (
        {"space": "nowhere"},
        {"level": "moon"},
        {"contacts": []},
        {"shifts": [{"contacts": ["赵"]}]},
        {"contacts": [{"name": "a\x00", "channel": "duty"}]},
        {"unknown": 1},
    )
    for change in mistakes:
        answer = await api.operator.put("/api/v1/rosters/micro", json=ROSTER | change)
        assert answer.status_code == 422, (change, answer.text)
    assert world.execute("SELECT count(*) FROM roster").fetchone() == (0,)


async def test_who_was_told_is_proven(api: Api, world: Conn, dsn: str, receiver: Receiver) -> None:
    put_roster(world, "micro")
    async with running(dsn, config(receiver, ack_within_s=86_400)):
        alarm = raise_alarm(world)
        await eventually(lambda: len(receiver.accepted) == 2)
        path = f"/api/v1/alarms/{alarm}/deliveries"

        async def proven() -> Any:
            rows = (await api.get(path))["deliveries"]
            return [row["state"] for row in rows] == ["delivered", "delivered"]

        await eventually(proven)
        found = words.DeliveryList.model_validate(await api.get(path))
    plain, call = found.deliveries
    assert (plain.step, plain.called, call.step) == (0, None, 1)
    assert call.recipient_masked == "tel***ro"
    assert [step.level for step in found.calls] == ["micro_station"]
    assert (await api.viewer.get(f"/api/v1/alarms/{'0' * 8}-0000-0000-0000-{'0' * 12}/deliveries")
            ).status_code == 404  # fmt: skip


async def test_a_test_message_is_asked_for_and_sent_by_the_notifier(
    api: Api, world: Conn, dsn: str, receiver: Receiver
) -> None:
    nobody = await api.operator.post("/api/v1/notify/test")
    assert nobody.status_code == 409, "there is no channel yet"
    async with running(dsn, config(receiver)):
        assert (await api.viewer.post("/api/v1/notify/test")).status_code == 403
        asked = await api.operator.post("/api/v1/notify/test", json={"channel": "duty"})
        assert asked.status_code == 202, asked.text
        (test,) = words.TestList.model_validate(asked.json()).tests
        await eventually(lambda: len(receiver.accepted) == 1)

        async def known() -> Any:
            found = await api.get(f"/api/v1/notify/tests/{test.test_id}")
            return found["tests"][0]["state"] == "delivered"

        await eventually(known)
        receiver.statuses = [500]
        asked = await api.operator.post("/api/v1/notify/test")
        number = asked.json()["tests"][0]["test_id"]

        async def failed() -> Any:
            found = await api.get(f"/api/v1/notify/tests/{number}")
            return found["tests"][0]["error"] == "answered 500 Internal Server Error"

        await eventually(failed)
    assert receiver.events()[0]["type"] == "blocktwin.test"
    assert len(receiver.refused) == 1, "a test that fails is not tried again"
    body = {"channel": "duti"}
    assert (await api.operator.post("/api/v1/notify/test", json=body)).status_code == 409
    body = {"roster": "nobody"}
    assert (await api.operator.post("/api/v1/notify/test", json=body)).status_code == 404
    assert (await api.viewer.get("/api/v1/notify/tests/999")).status_code == 404


async def test_alarms_are_a_cap_feed(api: Api, world: Conn) -> None:
    alarm = raise_alarm(world, severity=Severity.YELLOW)
    raise_alarm(world, at_s=2, kind=TransitionKind.ESCALATED, severity=Severity.RED)
    store.comment(world, alarm, "li", "on the way")
    store.close(world, alarm, "li", CloseCause.TRUE)
    answer = await api.viewer.get("/api/v1/cap")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    links = [
        link.get("href", "")
        for entry in fromstring(answer.content).findall(f"{{{ATOM_NS}}}entry")
        for link in entry.findall(f"{{{ATOM_NS}}}link")
    ]
    assert len(links) == 3, "a comment changes no alert"
    roots = []
    for link in reversed(links):
        one = await api.viewer.get(link)
        assert one.headers["content-type"].startswith("application/cap+xml")
        roots.append(check(one.content))
    kinds = [root.findtext(f"{{{CAP_NS}}}msgType") for root in roots]
    assert kinds == ["Alert", "Update", "Cancel"]
    references = [(root.findtext(f"{{{CAP_NS}}}references") or "").split() for root in roots]
    keys = [root.findtext(f"{{{CAP_NS}}}identifier") for root in roots]
    assert [each.split(",")[1] for each in references[2]] == keys[:2]
    worse = await api.viewer.get("/api/v1/cap?severity=4&field=fire&limit=10")
    assert worse.content.count(b"<entry>") == 2
    assert (await api.viewer.get("/api/v1/cap?field=water")).content.count(b"<entry>") == 0
    assert (await api.viewer.get("/api/v1/cap/999999")).status_code == 404
    assert (await api.stranger.get("/api/v1/cap")).status_code == 401
