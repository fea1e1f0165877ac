"""The rules that ship: complete, and right on recordings of real fires."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from alerts.engine import Engine
from alerts.rule_trials import play
from alerts.rulebook import packaged, read_files, read_folder, read_packaged
from alerts.rules import Level, LoadedRule, Rule, RuleInvalid
from core.model import Field, Quality, TransitionKind
from core.units import DEVICE_KINDS
from ingest.check import tables_of
from ingest.quality import Delays, Marker
from tests.support.alerting import T0_US, batch, registry, row
from tests.support.fires import RECORDINGS, Fires

RULES = [LoadedRule(rule=rule, version=1) for rule in read_packaged()]


def test_every_kind_is_watched_for_its_field_and_for_silence() -> None:
    for name, kind in DEVICE_KINDS.items():
        mine = [entry.rule for entry in RULES if name in entry.rule.select.kind]
        assert {rule.type for rule in mine} >= {"missing"}, name
        assert [rule for rule in mine if rule.field is kind.field], name


def test_fire_is_raised_by_the_first_reading_and_stays() -> None:
    at_once = {"fire-smoke-alarm", "fire-heat-fixed", "fire-heat-rise", "fire-panel-fire"}
    fire = [entry.rule for entry in RULES if entry.rule.field is Field.FIRE]
    assert all(rule.dwell_s == 0 and rule.of_last is None for rule in fire)
    assert {rule.id for rule in fire if rule.life_safety} == at_once
    assert {rule.id for rule in fire if rule.latch} == at_once | {"fire-smoke-dense"}


def test_rules_say_where_their_numbers_come_from_and_which_are_seeds() -> None:
    for entry in RULES:
        source = entry.rule.source
        assert len(source) > 10, entry.rule.id
        for doubt in ("from memory", "not read", "one paper", "no standard"):
            assert doubt not in source or "editable seed" in source, entry.rule.id


def test_an_anomaly_alone_wakes_nobody() -> None:
    for entry in RULES:
        if entry.rule.type == "anomaly":
            assert entry.rule.advisory, entry.rule.id


BOOK = packaged()


@pytest.mark.parametrize("number", range(len(BOOK.tests)))
def test_the_tests_of_the_packaged_rules_hold(number: int) -> None:
    outcome = play(BOOK.tests[number][1], {rule.id: rule for rule in BOOK.rules})
    assert outcome.differences == ()


def test_every_packaged_rule_has_a_test() -> None:
    tested = {test.rule for _, test in BOOK.tests}
    assert {rule.id for rule in BOOK.rules} - tested == set()


def test_few_rules_judge_one_series() -> None:
    """The engine's budget is for a handful: a rule more on every series costs a few ms a tick."""
    for name, kind in DEVICE_KINDS.items():
        for quantity in kind.quantities:
            judging = [
                entry.rule.id
                for entry in RULES
                if entry.rule.type not in {"missing", "gateway_offline"}
                and not entry.rule.select.tags
                and (
                    entry.rule.selects(kind=name, field=kind.field, quantity=quantity)
                    or quantity in {part.quantity for part in entry.rule.parts}
                )
            ]
            assert len(judging) <= 5, (name, quantity, judging)


@pytest.mark.parametrize(
    ("kind", "series", "value", "rule"),
    [
        ("smoke", 2, 1.0, "fire-smoke-alarm"),
        ("smoke", 1, 3.4, "fire-smoke-dense"),
        ("heat", 1, 57.0, "fire-heat-fixed"),
        ("fire_panel", 1, 1.0, "fire-panel-fire"),
        ("fire_panel", 2, 1.0, "fire-panel-fault"),
        ("displacement", 1, 21.0, "slope-displacement"),
        ("water_quality", 3, 1.9, None),
        ("rain_gauge", 1, 55.0, "water-rain-heavy"),
    ],
)
def test_one_reading_is_enough_where_it_should_be(
    kind: str, series: int, value: float, rule: str | None
) -> None:
    engine = Engine(RULES, registry(("d", kind)), now_us=T0_US)
    said = engine.process(batch([row(series, 0, value)]))
    assert [t.rule_id for t in said] == ([rule] if rule else [])


def test_the_voltage_limit_asks_twice() -> None:
    engine = Engine(RULES, registry(("d", "charging_voltage")), now_us=T0_US)
    said = [
        t.rule_id
        for at, value in ((0, 197.0), (1, 230.0), (2, 197.0), (4, 196.0))
        for t in engine.process(batch([row(1, at, value)]))
    ]
    assert said == ["traffic-voltage-low"]


@pytest.mark.skipif(
    not RECORDINGS.exists(), reason="the recordings of compartment fires are not in ../shared/data"
)
@pytest.mark.parametrize("replayed", [False, True], ids=["as it came", "marked, years later"])
def test_every_recorded_fire_is_raised_and_nothing_before_it_burns(replayed: bool) -> None:
    recording = Fires()
    marker = Marker(tables_of(recording.registry), Delays(late_s=300.0, clock_skew_s=300.0))
    engine = Engine(RULES, recording.registry, now_us=int(recording.batch.observed_us.min()))
    bits = Quality.GOOD
    after: dict[str, list[float]] = defaultdict(list)
    before: list[tuple[str, str]] = []
    for part in recording.parts(5000):
        today = replace(part, received_us=np.full_like(part.observed_us, T0_US))
        shown = marker.mark(today) if replayed else part
        bits |= Quality(int(np.bitwise_or.reduce(shown.quality)))
        for t in engine.process(shown):
            key = recording.channel(t.subject)
            if t.kind is not TransitionKind.RAISED or t.field is not Field.FIRE:
                continue
            burning_s = (t.at_us - recording.ignited_us[key[0]]) / 1e6
            if burning_s >= 0:
                after[key[0]].append(burning_s)
            else:
                before.append(key)
    found = Quality.LATE | Quality.JUMP | Quality.DUPLICATE  # some seconds stand there twice
    assert bits == (found if replayed else Quality.GOOD)
    assert len(recording.ignited_us) == 30
    assert set(after) == set(recording.ignited_us)
    assert [key for key in before if recording.is_quiet(key)] == []
    broken = {key for key in recording.before if not recording.is_quiet(key)}
    assert {column for _, column in broken} == {"T_A_0p9m_C"}
    first = [min(seconds) for seconds in after.values()]
    print(f"after ignition: median {median(first):g} s, worst {max(first):g} s")  # noqa: T201
    assert median(first) <= 5
    assert max(first) <= 180


def test_a_folder_of_rules(tmp_path: Path) -> None:
    with pytest.raises(RuleInvalid, match="cannot read the rules folder"):
        read_folder(tmp_path / "no")
    (tmp_path / "notes.txt").write_text("no rules")
    with pytest.raises(RuleInvalid, match="no rules"):
        read_folder(tmp_path)
    packaged = Path(__file__).parents[3] / "alerts" / "defaults"
    for path in packaged.glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert read_folder(tmp_path) == read_packaged()
    (tmp_path / "zz.toml").write_bytes((packaged / "fire.toml").read_bytes())
    with pytest.raises(RuleInvalid, match="stands twice"):
        read_folder(tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RuleInvalid, match="cannot read"):
        read_files([tmp_path / "no.toml"])
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RuleInvalid, match="no UTF-8 text"):
        read_files([tmp_path / "x.toml"])


def row_of(rule: Rule) -> str:
    """Return a rule's row in ``docs/rule-sets.md``."""
    steps = [f"{level.severity} {_numbers(level)}".strip() for level in rule.levels]
    parts = [f"`{part.quantity}`" for part in rule.parts]
    joined = (" or " if rule.type == "any" else " and ").join(parts)
    judged = f"`{rule.select.quantity}`" if rule.select.quantity else joined or "any reading"
    what = rule.detector or rule.forecast or rule.type
    notes = ["life safety"] * rule.life_safety + ["advisory"] * rule.advisory
    notes += ["latched"] * rule.latch
    notes += [f"{rule.confirm.severity} if confirmed"] if rule.confirm else []
    return f"| `{rule.id}` | {judged} | {what} | {'; '.join(steps)} | {', '.join(notes)} |"


def _numbers(level: Level) -> str:
    if level.raise_at is None or level.clear_at is None:
        return ""
    return f"{level.raise_at:g} ({level.clear_at:g})"


def test_the_page_of_the_rule_sets_shows_every_rule_as_it_is() -> None:
    page = (Path(__file__).parents[3] / "docs" / "rule-sets.md").read_text(encoding="utf-8")
    shown = [line for line in page.splitlines() if line.startswith("| `")]
    missing = [row_of(entry.rule) for entry in RULES if row_of(entry.rule) not in shown]
    assert "\n".join(missing) == ""
    ids = {line.split("`")[1] for line in shown}
    assert ids == {entry.rule.id for entry in RULES}
