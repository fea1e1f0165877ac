"""What a SensorThings question may take of the API: connections, time, and the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.sensorthings import fill
from tests.support.twin_api import Api, running_api
from tests.support.waiting import eventually

Conn = psycopg.Connection[Any]
SLOW = "/sta/v1.1/Observations"
WAIT_S = 0.3


@pytest.fixture
async def api(dsn: str, conn: Conn, tmp_path: Path) -> AsyncIterator[Api]:
    fill(conn)
    async with running_api(dsn, tmp_path, database_wait_s=WAIT_S) as running:
        yield running


@contextmanager
def held(dsn: str) -> Iterator[None]:
    """Nobody can read the readings meanwhile."""
    with psycopg.connect(dsn) as locker:
        locker.execute("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
        yield


def waiting(conn: Conn) -> int:
    """How many statements wait for the lock."""
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return int(row[0]) if row else 0


async def test_slow_questions_leave_connections_to_the_page(api: Api, dsn: str, conn: Conn) -> None:
    answers: list[Any] = []

    async def ask() -> None:
        answers.append(await api.viewer.get(SLOW))

    async with asyncio.TaskGroup() as tasks:
        with held(dsn):
            for number in range(6):
                tasks.create_task(ask(), name=f"question {number}")
            await eventually(lambda: waiting(conn) == 2 and len(answers) == 4)
            page = await api.viewer.get("/api/v1/spaces")
    assert page.status_code == 200
    assert sorted(one.status_code for one in answers) == [200, 200, 503, 503, 503, 503]
    refused = answers[0]
    assert refused.headers["retry-after"] == "2"
    assert "too many questions at once" in refused.json()["detail"]
    assert (await api.viewer.get(SLOW)).status_code == 200


async def test_a_question_that_takes_too_long_is_ended_in_the_database_too(
    api: Api, dsn: str, conn: Conn
) -> None:
    api.app.state.runtime = replace(api.app.state.runtime, question_s=WAIT_S)
    with held(dsn):
        begun = time.monotonic()
        answer = await api.viewer.get("/sta/v1.1/Datastreams?$expand=Observations")
        assert time.monotonic() - begun < 10
        assert answer.status_code == 503
        assert "takes too long" in answer.json()["detail"]
        await eventually(lambda: waiting(conn) == 0)
    assert (await api.viewer.get(SLOW)).status_code == 200
