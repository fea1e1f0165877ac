from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from alerts.rule_faults import set_fault
from alerts.rule_texts import parse
from alerts.rules import Rule, RuleInvalid
from tests.support.alerting import HIGH, LADDER, LOW, MISSING, RISE, loaded

ANOMALY = """
type = "anomaly"
detector = "seasonal"
advisory = true
field = "water"
select = { kind = ["outfall_flow"], quantity = "flow" }
levels = [{ severity = "blue", raise = 4.0, clear = 3.0 }]
"""
FORECAST = """
type = "forecast"
forecast = "threshold"
options = { target = 0.27 }
field = "water"
select = { kind = ["waterlogging"], quantity = "depth" }
levels = [
    { severity = "yellow", raise = 60.0, clear = 90.0 },
    { severity = "orange", raise = 30.0, clear = 60.0 },
]
"""
STUCK = """
type = "stuck"
field = "traffic"
select = { kind = ["geomagnetic"], quantity = "occupancy" }
levels = [{ severity = "blue", raise = 7200.0, clear = 60.0 }]
options = { tolerance = 0.5 }
"""
ALL = """
type = "all"
field = "fire"
select = { kind = ["smoke"] }
levels = [{ severity = "red" }]
parts = [
    { quantity = "smoke_obscuration", type = "high", raise = 3.0, clear = 2.0 },
    { quantity = "smoke_alarm", type = "high", raise = 1.0, clear = 0.5 },
]
"""
RED = HIGH.replace('"orange"', '"red"')


def refused(text: str) -> str:
    with pytest.raises(RuleInvalid) as caught:
        loaded(text)
    return str(caught.value)


@pytest.mark.parametrize("text", [ANOMALY, FORECAST, STUCK, ALL, RISE.replace('"rise"', '"fall"')])
def test_every_type_of_rule_can_be_written(text: str) -> None:
    assert loaded(text)[0].rule.levels


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ANOMALY.replace("seasonal", "sesonal"), "unknown detector 'sesonal' (did you mean 'se"),
        (FORECAST.replace('"threshold"', '"treshold"'), "unknown forecast 'treshold' (did you"),
        (FORECAST.replace("target =", "taget ="), "options: unknown option 'taget' (did you mean"),
        (STUCK.replace("tolerance = 0.5", "tolerance = -1"), "options.tolerance: expected `float`"),
        (STUCK.replace("tolerance = 0.5", 'learn = "yes"'), "options.learn: expected `bool`"),
        (ANOMALY.replace('detector = "seasonal"\n', ""), "detector: required for rules of type"),
        (HIGH + 'detector = "seasonal"', "detector: only for rules of type anomaly"),
        (HIGH + "options = { learn = true }", "options: only for rules of type anomaly, forecast"),
        (HIGH + "learn_interval = true", "learn_interval: only for rules of type missing"),
        (HIGH + "intervals = 5", "intervals: only for rules of type missing"),
        (MISSING + 'hours = [{ days = ["mon"] }]', "hours: only for rules of type all"),
        (STUCK + "of_last = { n = 2, m = 3 }", "of_last: only for rules of type"),
        (HIGH + "of_last = { n = 4, m = 3 }", "of_last: n must be at most m"),
        (FORECAST.replace("raise = 30.0", "raise = 70.0"), "must be at or above raise"),
        (FORECAST.replace("raise = 30.0, clear = 60.0", "raise = 65, clear = 95"), "raise must fa"),
    ],
)
def test_keys_that_do_not_go_with_the_type_are_refused(text: str, says: str) -> None:
    assert says in refused(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ALL.replace("select = {", 'select = { quantity = "smoke_alarm",'), "names its quantities"),
        (ALL.replace('"smoke_alarm"', '"temperature"'), "parts[1]: a 'smoke' device does not meas"),
        (ALL.replace("clear = 2.0", "clear = 4.0"), "parts[0].clear: must be at or below raise"),
        (ALL.replace("clear = 2.0", "clear = nan"), "parts[0]: raise and clear must be finite"),
        (
            ALL.replace('"red" }', '"red", raise = 1.0 }'),
            "one level with a severity and no numbers",
        ),
        (ALL[: ALL.index("parts")] + "parts = []", "parts: required for rules of type all or any"),
        (ALL[: ALL.index('    { quantity = "smoke_alarm')] + "]", "compares two to eight"),
    ],
)
def test_parts_that_compare_nothing_are_refused(text: str, says: str) -> None:
    assert says in refused(text)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("dwell_s = 1", "it takes no dwell_s"),
        ("of_last = { n = 2, m = 3 }", "it takes no of_last"),
        ('hours = [{ begin = "08:00", end = "18:00" }]', "it takes no hours"),
        ('inhibit = [{ by = ["other"] }]', "it takes no inhibit"),
        ("advisory = true", "what is told at once is not advisory"),
    ],
)
def test_a_rule_that_saves_lives_waits_for_nothing(more: str, says: str) -> None:
    assert loaded(HIGH + "life_safety = true")[0].rule.life_safety
    assert says in refused(HIGH + "life_safety = true\n" + more)


def test_a_rule_that_saves_lives_is_orange_at_least() -> None:
    assert "every level must be orange or red" in refused(LADDER + "life_safety = true")
    assert "life_safety: only for rules" in refused(ANOMALY + "life_safety = true")


def test_a_score_alone_never_pages() -> None:
    assert "advisory: required" in refused(ANOMALY.replace("advisory = true\n", ""))
    assert "an anomaly alone is blue" in refused(ANOMALY.replace('"blue"', '"orange"'))
    confirmed = ANOMALY.replace("advisory = true\n", "") + CONFIRM.format("")
    assert loaded(confirmed)[0].rule.confirm is not None
    assert "nobody is called" in refused(ANOMALY + "ack_within_s = 60")


CONFIRM = 'confirm = {{ by = ["rule-0"], within_s = 600, inside = "building", severity = "red"{} }}'


def test_a_confirmation_must_change_something_and_be_near() -> None:
    assert loaded(HIGH + CONFIRM.format(""))[0].rule.confirm is not None
    assert "say inside or radius_m" in refused(
        HIGH + CONFIRM.format("").replace(' inside = "building",', "")
    )
    assert "must be worse than the mildest" in refused(RED + CONFIRM.format(""))


@pytest.mark.parametrize(
    ("hours", "says"),
    [
        ('{ begin = "08:00", end = "08:00" }', "begin and end must differ"),
        ('{ days = ["mon", "mon"] }', "a day stands once"),
        ('{ begin = "8:00" }', "hours[0].begin: expected `str` matching regex"),
        ('{ end = "24:30" }', "hours[0].end: expected `str` matching regex"),
        ('{ days = ["mo"] }', "hours[0].days[0]: invalid enum value 'mo'"),
    ],
)
def test_hours_that_are_none_are_refused(hours: str, says: str) -> None:
    assert says in refused(LADDER + f"hours = [{hours}]")


def test_rules_that_name_each_other_are_looked_at_together() -> None:
    rules = [
        loaded(HIGH + CONFIRM.format(""))[0].rule,
        loaded(LOW + 'id = "volts"\ninhibit = [{ by = ["rule-0", "rule-1"] }]')[0].rule,
    ]
    assert set_fault(rules) == (
        "rule 'volts': inhibit[0].by: there is no rule 'rule-1' (did you mean 'rule-0'?)"
    )
    assert set_fault(rules, ["rule-1"]) == ""
    assert "confirm.by: there is no rule 'rule-0'" in set_fault([_renamed(rules[0])])
    own = LOW + 'inhibit = [{ by = ["rule-0"] }]'
    assert "a rule cannot keep itself from raising" in refused(own)


def _renamed(rule: Rule) -> Rule:
    return replace(rule, id="rule-x")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.replace('["heat"]', '["heat"], device = ["A B"]'), "'A B' is no device id"),
        (lambda t: t.replace('["heat"]', '["heat"], space = [""]'), "a space code or a tag is em"),
        (lambda t: t.replace('["heat"]', '["heat"], tag = ["x"]'), "unknown field `tag`"),
    ],
)
def test_a_selector_that_is_none_is_refused(change: Callable[[str], str], says: str) -> None:
    assert says in refused(change(HIGH))


def test_the_error_of_a_file_names_file_rule_and_key() -> None:
    text = '[[rule]]\nid = "x"\n' + HIGH
    with pytest.raises(RuleInvalid) as caught:
        parse(text, "fire.toml")
    assert str(caught.value).startswith("fire.toml: rule 'x': object missing required field `name`")
