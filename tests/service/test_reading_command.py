"""`blocktwin reading show|latest|state` as a person types them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.support import past
from tests.support.past import T0, Row
from tests.support.servers import Runner, settings
from tests.support.small_district import small_district
from tests.support.twin_api import read_once
from twin.store import load_district

Conn = psycopg.Connection[Any]
HEAT = "heat.00001"


@pytest.fixture
def env(conn: Conn, dsn: str) -> dict[str, str]:
    load_district(conn, small_district())
    rows = [Row(n * 10, 20 + n % 30) for n in range(8640)]
    past.store(conn, past.series_of(conn, HEAT, "temperature"), rows)
    return settings(dsn)


def said(seconds: float) -> str:
    return (T0 + timedelta(seconds=seconds)).isoformat()


def output(runner: Runner, env: dict[str, str], *words: str) -> str:
    program = runner("reading", *words, env=env)
    assert program.wait(30) == 0, program.output()
    return program.output()


def test_a_series_is_drawn_or_printed_as_json(run_blocktwin: Runner, env: dict[str, str]) -> None:
    window = ("--from", said(0), "--to", said(86_399))
    drawn = output(run_blocktwin, env, "show", HEAT, "temperature", *window)
    assert "░" in drawn
    assert "1440 points, 1m each" in drawn
    assert "[Cel]" in drawn
    found = json.loads(output(run_blocktwin, env, "show", HEAT, "temperature", *window, "--json"))
    assert (found["resolution"], len(found["t"]), max(found["max"])) == ("1m", 1440, 49)
    few = ("--points", "30", "--json")
    found = json.loads(output(run_blocktwin, env, "show", HEAT, "temperature", *window, *few))
    assert (found["resolution"], len(found["t"])) == ("1h", 24)


def test_an_empty_window_says_so(run_blocktwin: Runner, env: dict[str, str]) -> None:
    text = output(run_blocktwin, env, "show", HEAT, "temperature", "--from", "1h")
    assert "no readings in this window" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((HEAT, "flow"), "measures no 'flow'"),
        ((HEAT, "temperature", "--from", "yesterday"), "'yesterday' is no time"),
        ((HEAT, "temperature", "--from", "1h", "--to", "2h"), "--from lies after --to"),
        ((HEAT, "temperature", "--accept", "fine"), "'fine' is none of all, good"),
    ],
)
def test_a_wrong_word_is_one_sentence(
    run_blocktwin: Runner, env: dict[str, str], words: tuple[str, ...], sentence: str
) -> None:
    program = run_blocktwin("reading", "show", *words, env=env)
    assert program.wait(30) == 2
    assert sentence in program.output()
    assert "Traceback" not in program.output()


def test_the_latest_is_a_line_a_series(
    run_blocktwin: Runner, env: dict[str, str], conn: Conn
) -> None:
    read_once(conn, HEAT, "temperature", 21.5)
    read_once(conn, "smoke.00000", "smoke_alarm", 1)
    lines = output(run_blocktwin, env, "latest").splitlines()
    assert len(lines) == 2
    assert "21.5 Cel" in next(line for line in lines if HEAT in line)
    found = json.loads(output(run_blocktwin, env, "latest", "--kind", "heat", "--json"))
    assert found["devices"][found["device"][0]] == HEAT
    assert found["v"] == [21.5]


def test_the_state_at_a_time_is_summed_up(run_blocktwin: Runner, env: dict[str, str]) -> None:
    text = output(run_blocktwin, env, "state", "--at", said(3605))
    assert "1 values (from raw)" in text
    assert "1 fresh, 0 stale, 19 without a reading" in text
    found = json.loads(output(run_blocktwin, env, "state", "--at", said(3605), "--json"))
    assert found["values"]["v"] == [20 + 360 % 30]
    assert found["devices"][HEAT] == [1, 0]
    program = run_blocktwin(
        "reading", "state", "--at", (datetime.now(UTC) + timedelta(days=1)).isoformat(), env=env
    )
    assert program.wait(30) == 2
