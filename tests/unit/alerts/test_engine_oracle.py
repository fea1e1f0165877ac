"""The engine against slow, obvious versions of every rule, on random sequences."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.engine import Engine
from alerts.rules import Level, LoadedRule, Override
from core.model import Quality, Transition
from tests.oracle.links import SlowLinks
from tests.oracle.rules import Change, Row, SlowEngine
from tests.support.alerting import (
    ALL,
    ANY,
    FALL,
    HIGH,
    LADDER,
    LOW,
    RISE,
    SMOKE,
    STUCK,
    T0_US,
    S,
    batch,
    loaded,
    placed,
)

B1, B2 = ("d", "s", "c", "g", "b", "b1"), ("d", "s", "c", "g", "b", "b2")
# Series: 1 heat-1, 2 pond-1, 3 and 4 volt-1, 5 and 6 smoke-1 (density, word), 7 heat-2.
TOWN = placed(
    ("heat-1", "heat", B1),
    ("pond-1", "waterlogging", B2),
    ("volt-1", "charging_voltage", B1),
    ("smoke-1", "smoke", B1),
    ("heat-2", "heat", B2),
    at={
        "heat-1": (114.0, 22.5),
        "smoke-1": (114.0, 22.5004),
        "heat-2": (114.0011, 22.5),
        "pond-1": (114.0005, 22.5008),
    },
)
GRIDS = {
    1: [20.0, 20.7, 23.1, 31.3, 49.0, 50.0, 55.2, 57.0, 80.0],
    2: [0.0, 0.13, 0.14, 0.15, 0.26, 0.3, 0.39, 0.41, 0.59, 0.61],
    3: [186.0, 187.0, 188.0, 195.0, 198.0, 199.0, 200.0, 201.0],
    4: [0.0],
    5: [0.0, 1.9, 2.0, 3.0, 4.0, 5.0],
    6: [0.0, 0.4, 1.0],
    7: [20.0, 52.0, 60.0, 95.0],
}
SEEDS = st.integers(0, 2**32 - 1)
QUALITIES = [0] * 12 + [bit for bit in Quality if bit]
VALUES = loaded(
    HIGH + "dwell_s = 3",
    RISE.replace("8.3", "31.7").replace("4.0", "12.9").replace("30", "12") + "dwell_s = 2",
    FALL.replace("8.3", "31.7").replace("4.0", "12.9").replace("30", "12"),
    LADDER + "clear_dwell_s = 5\ndwell_s = 4",
    LOW,
    LADDER + "of_last = { n = 2, m = 3 }\ndwell_s = 1",
    LOW + "of_last = { n = 3, m = 5 }\nreject_quality = []",
    LADDER + "dwell_s = 3\nhours = [{ begin = '21:20', end = '21:21' }, { end = '21:17' }]",
    STUCK.replace("30", "5").replace("90", "40").replace("60", "20")
    + "options = { tolerance = 0.02 }",
    STUCK.replace("30", "1.7").replace("90", "4.3").replace("60", "3.1")
    + "options = { learn = true }",
    ALL + "dwell_s = 3",
    ANY,
    ALL.replace("smoke_alarm", "smoke_obscuration") + "clear_dwell_s = 4",
    ANY.replace("high", "low").replace("raise = 4", "raise = 1").replace("0.5", "1"),
)
OVERRIDES = (
    Override(
        rule_id="rule-0",
        device_id="heat-1",
        levels=(
            Level(severity="blue", raise_at=23.0, clear_at=21.0),
            Level(severity="red", raise_at=55.0, clear_at=50.0),
        ),
    ),
    Override(rule_id="rule-4", device_id="volt-1", enabled=False),
)
LINKED = loaded(
    HIGH
    + 'confirm = { by = ["rule-0", "rule-1"], within_s = 20, inside = "block", severity = "red" }',
    SMOKE + 'confirm = { by = ["rule-0"], within_s = 9, radius_m = 100, severity = "red" }',
    LADDER
    + 'confirm = { by = ["rule-0", "rule-1"], needed = 2, within_s = 30, radius_m = 130, '
    + 'severity = "orange" }'
    + '\ninhibit = [{ by = ["rule-3"], same = "block" }]',
    LOW
    + 'inhibit = [{ by = ["rule-1"], same = "building" }, { by = ["rule-4"], same = "device" }]',
    LOW.replace("198.0", "195.0").replace("200.0", "197.0"),
)


def stream(seed: int, *, late: bool, most: int = 120) -> list[Row]:
    """Readings of all series: one clock that rises, or with ``late`` one each that may not.

    A seed stands for a whole stream, because shrinking one reading by reading takes minutes.
    """
    chance = random.Random(seed)
    rows: list[Row] = []
    clock_us = dict.fromkeys(GRIDS, T0_US)
    steps = [-3, 0, 1, 2, 3, 5, 40] if late else [0, 1, 1, 2, 2.7, 3, 5, 40]
    for _ in range(chance.randint(1, most)):
        series = chance.choice([1, 1, 2, 2, 2, 3, 4, 5, 6, 7])
        clock_us[series] += round(chance.choice(steps) * S)
        if not late:
            clock_us = dict.fromkeys(GRIDS, max(clock_us.values()))
        observed_us = clock_us[series]
        if late and chance.randint(0, 30) == 0:
            observed_us += 4000 * S
        rows.append(
            Row(
                series=series,
                observed_us=observed_us,
                received_us=clock_us[series],
                value=chance.choice(GRIDS[series]),
                quality=chance.choice(QUALITIES),
            )
        )
    return rows


def cut(rows: Sequence[Row], sizes: Sequence[int]) -> list[list[Row]]:
    parts, begin = [], 0
    for size in sizes:
        parts.append(list(rows[begin : begin + size]))
        begin += size
    return [*parts, list(rows[begin:])]


def distinct(rows: Sequence[Row]) -> list[Row]:
    """Of readings of one series and time the first counts; only these are left."""
    found: dict[tuple[int, int], Row] = {}
    for row in rows:
        found.setdefault((row.series, row.observed_us), row)
    return list(found.values())


def keys(changes: Sequence[Transition] | Sequence[Change]) -> list[tuple[object, ...]]:
    fields = ("at_us", "rule_id", "subject", "severity", "kind", "threshold")
    return sorted(tuple(getattr(change, field) for field in fields) for change in changes)


def same(fast: Sequence[Transition], slow: Sequence[Change]) -> None:
    assert keys(fast) == keys(slow)
    assert [t.at_us for t in fast] == sorted(t.at_us for t in fast)
    assert np.allclose(values(fast), values(slow), rtol=1e-4, atol=1e-4)


def values(changes: Sequence[Any]) -> list[float]:
    order = sorted(changes, key=lambda c: (c.at_us, c.rule_id, c.subject, c.severity))
    return [change.value for change in order]


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 40)), st.randoms(use_true_random=False))
def test_every_rule_on_values_agrees_with_the_oracle(
    seed: int, sizes: list[int], chance: random.Random
) -> None:
    rows = stream(seed, late=True)
    fast = Engine(VALUES, TOWN, now_us=T0_US, overrides=OVERRIDES)
    slow = SlowEngine(VALUES, TOWN, OVERRIDES)
    for part in cut(rows, sizes):
        some = distinct(part)
        chance.shuffle(some)
        same(fast.process(batch(some)), slow.process(some))


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_a_long_stream_in_one_batch_agrees_with_the_oracle(seed: int) -> None:
    fast, slow = Engine(VALUES, TOWN, now_us=T0_US), SlowEngine(VALUES, TOWN)
    rows = distinct(stream(seed, late=False, most=400))
    same(fast.process(batch(rows)), slow.process(rows))


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 40)))
def test_what_conditions_do_to_each_other_agrees_with_the_oracle(
    seed: int, sizes: list[int]
) -> None:
    rows = stream(seed, late=False)
    fast = Engine(LINKED, TOWN, now_us=T0_US)
    slow, links = SlowEngine(LINKED, TOWN), SlowLinks(LINKED, TOWN)
    for part in cut(distinct(rows), sizes):
        same(fast.process(batch(part)), links.follow(slow.process(part)))


def at_times(rows: Sequence[Row], sizes: Sequence[int]) -> list[list[Row]]:
    """Cut between readings of different times, after about ``sizes`` readings each."""
    parts: list[list[Row]] = [[]]
    wanted = iter(sizes)
    size = next(wanted, len(rows))
    for n, row in enumerate(rows):
        if len(parts[-1]) >= size and row.observed_us != rows[n - 1].observed_us:
            parts.append([])
            size = next(wanted, len(rows))
        parts[-1].append(row)
    return parts


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 20)), st.sampled_from([VALUES, LINKED]))
def test_batch_boundaries_do_not_matter(
    seed: int, sizes: list[int], rules: list[LoadedRule]
) -> None:
    rows = distinct(stream(seed, late=False))
    one, many = Engine(rules, TOWN, now_us=T0_US), Engine(rules, TOWN, now_us=T0_US)
    whole = one.process(batch(rows))
    parts = [t for part in at_times(rows, sizes) for t in many.process(batch(part))]
    assert keys(whole) == keys(parts)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 120), st.sampled_from([VALUES, LINKED]), st.booleans())
def test_a_restart_between_any_two_readings_changes_nothing(
    seed: int, place: int, rules: list[LoadedRule], overridden: bool
) -> None:
    rows = stream(seed, late=True)
    overrides = OVERRIDES if overridden else ()
    before = Engine(rules, TOWN, now_us=T0_US, overrides=overrides)
    for row in rows[:place]:
        before.process(batch([row]))
    after = Engine(rules, TOWN, now_us=T0_US, overrides=overrides)
    after.resume(before.snapshot())
    assert after.snapshot() == before.snapshot()
    for row in rows[place:]:
        assert after.process(batch([row])) == before.process(batch([row]))
