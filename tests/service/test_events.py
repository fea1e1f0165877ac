"""The event stream of a real `blocktwin serve`: order, replay, no gap, quick ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from alerts import store as alarm_store
from core.model import Field, Severity, Transition, TransitionKind
from dev.servers import PrivatePostgres
from tests.support.servers import Program, Runner, settings
from tests.support.small_district import small_district
from tests.support.twin_api import load_rules, read_once
from tests.support.waiting import wait_until
from twin.operators import Role, add, remove
from twin.store import load_district

Conn = psycopg.Connection[Any]
HEAT = "heat.00001"
PLAIN = small_district()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event as a browser would see it."""

    kind: str
    id: str
    data: Any


@dataclass(slots=True)
class Server:
    """A served API."""

    program: Program
    client: httpx2.Client
    operators: Path

    def stream(self, **query: Any) -> Any:
        """Open the event stream."""
        return self.client.stream("GET", "/api/v1/events", params=query, timeout=10)


def events(response: httpx2.Response) -> Iterator[Event]:
    """Parse a stream after the HTML standard, 9.2.6: id survives the event it came with."""
    kind, data, last = "", [], ""
    for line in response.iter_lines():
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            last = value
        elif not line and data:
            yield Event(kind=kind, id=last, data=json.loads("\n".join(data)))
            kind, data = "", []


def of(kind: str, response: Iterator[Event], count: int) -> list[Event]:
    """Return the next ``count`` events of a kind."""
    found = []
    for event in response:
        if event.kind == kind:
            found.append(event)
            if len(found) == count:
                return found
    raise AssertionError(f"the stream ended after {len(found)} of {count} {kind} events")


def raise_alarms(conn: Conn, start: int, count: int) -> list[int]:
    """Raise and ease one condition again and again; return the event ids."""
    with conn.transaction():
        ids: list[int] = alarm_store.apply(
            conn,
            [
                Transition(
                    rule_id="heat-high",
                    rule_version=1,
                    subject=f"device:{PLAIN.devices[number % 20].device_id}",
                    field=Field.FIRE,
                    kind=TransitionKind.RAISED,
                    severity=Severity.ORANGE,
                    at_us=1_767_225_600_000_000 + number,
                    value=60.0,
                    threshold=57.0,
                    quantity="temperature",
                    latch=True,
                )
                for number in range(start, start + count)
            ],
            1_767_225_600_000_000,
        )
    return ids


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, PLAIN)
    load_rules(conn)
    return conn


@contextmanager
def serving(
    run_blocktwin: Runner, dsn: str, port: int, folder: Path, **more: Any
) -> Iterator[Server]:
    """Start the API and wait until it is ready."""
    operators = folder / "operators.toml"
    token = add(operators, f"lin-{port}", Role.OPERATOR)
    plain: dict[str, Any] = {
        "api__port": port,
        "api__operators_file": str(operators),
        "api__scan_every_s": 0.2,
    }
    program = run_blocktwin("serve", env=settings(dsn, **(plain | more)))
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10) as client:
        server = Server(program=program, client=client, operators=operators)
        wait_until(lambda: ready(server), 20, what="readyz")
        wait_until(lambda: listening(dsn), 20, what="the listener")
        yield server


def listening(dsn: str) -> bool:
    """Whether it hears of changes; from then on it reads everything anew once more."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        found = conn.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'blocktwin serve listen'"
            " AND state = 'idle' AND query LIKE '%blocktwin_registry%'"
        )
        return found.fetchone() is not None


def ready(server: Server) -> bool:
    assert server.program.running, server.program.output()
    try:
        return server.client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def server(
    run_blocktwin: Runner, loaded: Conn, dsn: str, free_port: int, tmp_path: Path
) -> Iterator[Server]:
    del loaded
    with serving(run_blocktwin, dsn, free_port, tmp_path) as served:
        yield served


def test_an_alarm_comes_within_a_second_of_its_commit(server: Server, loaded: Conn) -> None:
    with server.stream() as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = events(response)
        of("status", stream, 1)
        number = raise_alarms(loaded, 1, 1)[0]
        committed = time.monotonic()
        event = of("alarm", stream, 1)[0]
        assert time.monotonic() - committed < 1.0
    assert event.id == str(number)
    assert event.data["event"]["kind"] == "raised"
    assert event.data["alarm"]["device_id"] == HEAT
    assert event.data["alarm"]["path"][0]["code"] == "440303"


def test_state_changes_are_told_and_only_those(server: Server, loaded: Conn) -> None:
    with server.stream() as response:
        stream = events(response)
        of("status", stream, 3)  # what the listener found meanwhile is in the second at the latest
        read_once(loaded, HEAT, "temperature", 20)
        change = of("state", stream, 1)[0]
        assert change.data["devices"] == {HEAT: [1, 0]}
        raise_alarms(loaded, 1, 1)
        change = of("state", stream, 1)[0]
        assert change.data["devices"] == {HEAT: [1, 3]}
        assert change.data["spaces"]["440303"] == [3, 1, 1]
        assert change.data["totals"]["open"] == 1


def test_status_comes_by_itself(server: Server, loaded: Conn) -> None:
    loaded.execute("INSERT INTO tally (worker_id, received, stored) VALUES ('w', 5, 5)")
    with server.stream() as response:
        stream = events(response)
        wait_until(lambda: of("status", stream, 1)[0].data["received"] == 5)


def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(
    server: Server, loaded: Conn
) -> None:
    with server.stream() as response:
        stream = events(response)
        of("status", stream, 1)
        first = raise_alarms(loaded, 0, 3)
        seen = of("alarm", stream, 2)
    missed = raise_alarms(loaded, 3, 4)
    headers = {"Last-Event-ID": seen[-1].id}
    url = "/api/v1/events?after=0"
    with server.client.stream("GET", url, headers=headers, timeout=10) as response:
        stream = events(response)
        replayed = of("alarm", stream, 5)
        full = of("state", stream, 1)[0]
        wait_until(lambda: server.client.get("/api/v1/state").json()["totals"]["open"] == 7)
        later = raise_alarms(loaded, 7, 2)
        new = of("alarm", stream, 2)
    ids = [int(event.id) for event in [*seen, *replayed, *new]]
    assert ids == [*first, *missed, *later]
    assert len(full.data["devices"]) == 20
    assert full.data["totals"]["open"] in {3, 7}, "either is followed by what changes it"


def test_events_that_commit_while_a_client_connects_come_once(server: Server, loaded: Conn) -> None:
    """The seam between replay and live is crossed by a writer that never pauses."""
    begin = raise_alarms(loaded, 0, 1)[0]
    for turn in range(8):
        with server.stream(after=begin) as response:
            committed = raise_alarms(loaded, 1 + turn * 5, 5)
            got = [int(event.id) for event in of("alarm", events(response), 5)]
        assert got == committed
        begin = committed[-1]


def test_no_gap_between_the_state_and_the_stream(server: Server, loaded: Conn) -> None:
    with server.stream() as response:
        stream = events(response)
        raise_alarms(loaded, 0, 2)
        state = wait_until(
            lambda: (s := server.client.get("/api/v1/state").json())["totals"]["open"] and s
        )
        raise_alarms(loaded, 2, 2)
        told = [int(event.id) for event in of("alarm", stream, 4)]
    assert state["event_id"] in told
    assert len([number for number in told if number > state["event_id"]]) >= 2


def test_a_position_that_is_too_old_or_of_another_database_is_a_reset(
    run_blocktwin: Runner, loaded: Conn, dsn: str, free_port: int, tmp_path: Path
) -> None:
    last = raise_alarms(loaded, 0, 6)[-1]
    with serving(run_blocktwin, dsn, free_port, tmp_path, api__replay_events=5) as server:
        for position in (last - 6, last + 100):
            with server.stream(after=position) as response:
                stream = events(response)
                reset = of("reset", stream, 1)[0]
                assert (reset.id, reset.data) == (str(last), {"event_id": last})
        with server.stream(after=last - 5) as response:
            assert next(events(response)).kind == "alarm"


def test_a_registry_that_changes_is_a_reset(server: Server, loaded: Conn) -> None:
    with server.stream() as response:
        stream = events(response)
        of("status", stream, 1)
        load_district(loaded, small_district(devices=21))
        of("reset", stream, 1)
        wait_until(lambda: server.client.get("/api/v1/state").json()["totals"]["devices"] == 21)


def test_a_stream_ends_when_its_operator_is_removed(
    run_blocktwin: Runner, loaded: Conn, dsn: str, free_port: int, tmp_path: Path
) -> None:
    del loaded
    with (
        serving(run_blocktwin, dsn, free_port, tmp_path, api__heartbeat_s=0.2) as server,
        server.stream() as response,
    ):
        stream = events(response)
        of("status", stream, 1)
        remove(server.operators, f"lin-{free_port}")
        assert all(event.kind != "alarm" for event in stream)
        assert server.client.get("/api/v1/state").status_code == 401


def test_too_many_streams_are_503(
    run_blocktwin: Runner, loaded: Conn, dsn: str, free_port: int, tmp_path: Path
) -> None:
    del loaded
    with (
        serving(run_blocktwin, dsn, free_port, tmp_path, api__streams=1) as server,
        server.stream() as first,
    ):
        stream = events(first)
        of("status", stream, 1)
        refused = server.client.get("/api/v1/events")
        assert refused.status_code == 503
        assert refused.headers["retry-after"]


def test_sigterm_ends_open_streams_and_the_process_quickly(server: Server) -> None:
    with server.stream() as response:
        stream = events(response)
        of("status", stream, 1)
        began = time.monotonic()
        assert server.program.stop(10)
        assert time.monotonic() - began < 3
        assert server.program.exit_code == 0
    assert "Traceback" not in server.program.output()


def test_a_database_that_goes_and_comes_back(
    postgres: PrivatePostgres, server: Server, dsn: str
) -> None:
    with server.stream() as response:
        stream = events(response)
        of("status", stream, 1)
        postgres.kill()
        try:
            for path in ("/api/v1/state", "/api/v1/alarms", "/api/v1/devices", "/api/v1/status"):
                refused = wait_until(partial(away, server, path))
                assert refused is not None
                assert refused.headers["retry-after"]
                assert refused.headers["content-type"] == "application/problem+json"
            assert server.client.get("/readyz").status_code == 503
            assert server.client.get("/livez").status_code == 200
        finally:
            postgres.start()
        wait_until(lambda: ready(server), 30)
        with psycopg.connect(dsn, autocommit=True) as conn:
            number = raise_alarms(conn, 0, 1)[0]
        assert of("alarm", stream, 1)[0].id == str(number)
    assert server.client.get("/api/v1/state").json()["totals"]["open"] == 1
    assert server.program.output().count("the database is away, waiting") == 1


def away(server: Server, path: str) -> httpx2.Response | None:
    response = server.client.get(path)
    return response if response.status_code == 503 else None


def test_without_a_database_it_does_not_start(run_blocktwin: Runner, free_port: int) -> None:
    program = run_blocktwin("serve", env=settings(f"host=127.0.0.1 port={free_port} dbname=x"))
    assert program.wait(20) == 1
    output = program.output()
    assert "error: " in output
    assert "Traceback" not in output
