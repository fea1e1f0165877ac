"""When a run of the demo is good, and what its last line says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dev.verdict import Outcome, Quantiles, unmet

GOOD = Outcome(
    published=110,
    received=110,
    stored=100,
    rejected={"bad_unit": 4, "unknown_device": 3},
    duplicates=3,
    alarms={
        "fire": {"red": 1},
        "water": {"yellow": 2, "orange": 1},
        "slope": {"orange": 1},
        "traffic": {"blue": 1},
    },
    open=4,
    commit_ms=Quantiles(p50=31.0, p99=80.5),
    alarm_ms=Quantiles(p50=30.0, p99=None),
    page_ok=True,
    api_ok=True,
    timescaledb={"version": "2.19.3", "edition": "apache"},
)


def test_a_good_run_has_no_fault() -> None:
    assert unmet(GOOD) == []


def test_the_line_is_one_json_object_of_the_promised_shape() -> None:
    line = GOOD.line()
    assert "\n" not in line
    assert json.loads(line) == {
        "published": 110,
        "received": 110,
        "stored": 100,
        "rejected": {"bad_unit": 4, "unknown_device": 3},
        "duplicates": 3,
        "alarms": {
            "fire": {"red": 1},
            "water": {"yellow": 2, "orange": 1},
            "slope": {"orange": 1},
            "traffic": {"blue": 1},
        },
        "open": 4,
        "latency_ms": {
            "commit": {"p50": 31.0, "p99": 80.5},
            "alarm": {"p50": 30.0, "p99": None},
        },
        "page_ok": True,
        "api_ok": True,
        "timescaledb": {"version": "2.19.3", "edition": "apache"},
    }


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (replace(GOOD, published=111), "published 111 is not stored 100 + rejected 7"),
        (replace(GOOD, published=109), "= 110"),
        (replace(GOOD, published=None), "left no report"),
        (replace(GOOD, rejected={}), "= 103"),
        (replace(GOOD, alarms={**GOOD.alarms, "slope": {}}), "field slope"),
        (replace(GOOD, alarms={**GOOD.alarms, "fire": {"red": 0}}), "field fire"),
        (replace(GOOD, page_ok=False), "page"),
        (replace(GOOD, api_ok=False), "API"),
    ],
)
def test_each_condition_that_fails_is_one_sentence(bad: Outcome, words: str) -> None:
    (fault,) = unmet(bad)
    assert words in fault


def test_a_gateway_alarm_does_not_stand_for_a_field() -> None:
    alarms = {"system": {"orange": 1}}
    faults = unmet(replace(GOOD, alarms=alarms))
    assert [fault.rpartition(" ")[2] for fault in faults] == ["fire", "water", "slope", "traffic"]
