from __future__ import annotations

import pytest

from alerts import rule_trials
from alerts.rule_texts import read
from alerts.rules import RuleInvalid
from tests.support.alerting import HIGH, LOW, MISSING, OFFLINE

TEXT = """
[[rule]]
id = "{}"
name = {{ zh = "名", en = "name" }}
advice = {{ zh = "做", en = "do" }}
source = "editable seed"
"""
PLAIN = """
[[test]]
rule = "heat"
name = "it"
"""


def rule(name: str, body: str) -> str:
    return TEXT.format(name) + body


def outcomes(*texts: str) -> list[rule_trials.Outcome]:
    document = read("\n".join(texts), "x.toml")
    rules = {each.id: each for each in document.rules}
    return [rule_trials.play(test, rules) for test in document.tests]


def differences(*texts: str) -> tuple[str, ...]:
    (outcome,) = outcomes(*texts)
    return outcome.differences


RISING = PLAIN + "readings = [[0, 20], [10, 57], [20, 52], [30, 49]]\n"


def test_a_test_that_holds_says_nothing() -> None:
    expect = 'expect = [[10, "raised", "orange"], [30, "returned"]]'
    (outcome,) = outcomes(rule("heat", HIGH), RISING, expect)
    assert (outcome.holds, outcome.rule, outcome.name) == (True, "heat", "it")


@pytest.mark.parametrize(
    ("expect", "lines"),
    [
        (
            '[[10, "raised", "orange"]]',
            (
                "  10 s raised orange a (57, limit 57)",
                "+ 30 s returned orange a (49, limit 50)",
            ),
        ),
        (
            '[[10, "raised", "red"], [30, "returned"], [40, "raised", "red", "a"]]',
            (
                "- 10 s raised red",
                "+ 10 s raised orange a (57, limit 57)",
                "  30 s returned orange a (49, limit 50)",
                "- 40 s raised red a",
            ),
        ),
        (
            '[[10.5, "raised", "orange"], [30, "returned"]]',
            (
                "- 10.5 s raised orange",
                "+ 10 s raised orange a (57, limit 57)",
                "  30 s returned orange a (49, limit 50)",
            ),
        ),
    ],
)
def test_a_difference_is_shown_beside_what_agrees(expect: str, lines: tuple[str, ...]) -> None:
    assert differences(rule("heat", HIGH), RISING, f"expect = {expect}") == lines


def test_a_moment_may_be_off_by_what_the_test_allows() -> None:
    expect = 'expect = [[10.5, "raised", "orange"], [29.5, "returned"]]\nwithin_s = 0.5'
    assert differences(rule("heat", HIGH), RISING, expect) == ()


def test_silence_is_looked_for_every_second_of_our_clock() -> None:
    test = """
    [[test]]
    rule = "gone"
    name = "gone"
    devices.a = { kind = "heat", interval_s = 10 }
    readings."a:temperature" = [[0, 20], [10, 20]]
    until = 60
    expect = [[40, "raised", "blue"]]
    """
    assert differences(rule("gone", MISSING), test) == ()
    assert differences(rule("gone", MISSING), test.replace("until = 60", "until = 39")) == (
        "- 40 s raised blue",
    )


def test_a_gateway_may_say_that_it_goes() -> None:
    test = """
    [[test]]
    rule = "away"
    name = "away"
    gateway = [[5, "g", "offline"], [9, "g", "online"]]
    expect = [[5, "raised", "yellow", "g"], [9, "returned", "yellow"]]
    """
    assert differences(rule("away", OFFLINE), test) == ()


def test_readings_come_by_formula_and_of_several_devices() -> None:
    test = """
    [[test]]
    rule = "heat"
    name = "two"
    devices.a = { kind = "heat" }
    devices.b = { kind = "heat" }
    runs = [
        { from = 0, to = 100, every = 10, value = 20, per_min = 60 },
        { series = "b", from = 0, to = 100, every = 10, value = 20, end = 25, noise = 1.0 },
    ]
    expect = [[40, "raised", "orange", "a"]]
    """
    assert differences(rule("heat", HIGH), test) == ()


def test_noise_is_the_same_at_every_run() -> None:
    test = PLAIN + (
        "runs = [{ from = 0, to = 3000, every = 10, value = 55, noise = 2.0 }]\nexpect = []"
    )
    first = differences(rule("heat", HIGH), test)
    assert first
    assert first == differences(rule("heat", HIGH), test)


def test_an_override_of_a_device_and_the_quality_of_a_reading_count() -> None:
    off = "overrides.a = { enabled = false }\nexpect = []"
    assert differences(rule("heat", HIGH), RISING, off) == ()
    other = 'overrides.a = { levels = [{ severity = "orange", raise = 58, clear = 51 }] }'
    assert differences(rule("heat", HIGH), RISING, other + "\nexpect = []") == ()
    faulty = PLAIN + 'readings = [[0, 20], [10, 90, "calibrating"]]\nexpect = []'
    assert differences(rule("heat", HIGH), faulty) == ()


def test_rules_that_confirm_judge_without_being_asked_for() -> None:
    smoke = HIGH.replace('["heat"]', '["smoke"]').replace('"temperature"', '"smoke_alarm"')
    smoke = smoke.replace("57.0", "1").replace("50.0", "0.5")
    confirm = 'confirm = { by = ["heat"], within_s = 60, inside = "building", severity = "red" }'
    test = """
    [[test]]
    rule = "smoke"
    name = "confirmed"
    devices.a = { kind = "smoke" }
    devices.b = { kind = "heat" }
    readings."a:smoke_alarm" = [[0, 0], [10, 1]]
    readings.b = [[0, 20], [20, 61]]
    expect = [[10, "raised", "orange", "a"], [20, "escalated", "red", "a"]]
    """
    assert differences(rule("smoke", smoke + confirm), rule("heat", HIGH), test) == ()
    apart = test.replace('"heat" }', '"heat", spaces = ["district", "other"] }')
    assert "- 20 s escalated red a" in differences(
        rule("smoke", smoke + confirm), rule("heat", HIGH), apart
    )


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ("readings = [[0]]", "readings[0]: must be [seconds, value]"),
        ('readings = [[0, 1, "stuk"]]', "readings[0]: unknown quality 'stuk'"),
        ("readings = [[-1, 2]]", "readings[0]: must be"),
        ('readings."b" = [[0, 1]]', "there is no device 'b' in this test"),
        ('readings."a:depth" = [[0, 1]]', "say which of temperature as a:QUANTITY"),
        ("devices.a = { kind = 'het' }", "devices.a.kind: unknown device kind 'het'"),
        ("devices.a = { kind = 'smoke' }", "devices: the rule judges none of them"),
        ("devices.a = { kind = 'heat', spece = [] }", "unknown field `spece`"),
        ("start = '2026-01-05T00:00:00'", "start: time '2026-01-05T00:00:00' has no UTC offset"),
        ("overrides.x = { enabled = false }", "overrides: there is no 'x'"),
        ("gateway = [[0, 'gg', 'offline']]", "gateway: there is no 'gg'"),
        ("runs = [{ from = 9, to = 3, every = 1, value = 0 }]", "runs[0]: from must be before to"),
        ("runs = [{ from = 0, to = 1e6, every = 1, value = 0 }]", "runs[0]: from must be before"),
        ("runs = [{ from = 0, to = 9, every = 1, value = 0, creep = 1 }]", "belong together"),
    ],
)
def test_a_test_that_cannot_be_played_is_refused_with_its_key(test: str, says: str) -> None:
    with pytest.raises(RuleInvalid) as caught:
        outcomes(rule("heat", HIGH), PLAIN, test, "\n" if "expect" in test else "expect = []")
    assert str(caught.value).startswith("x.toml: test 'it': ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ('[[1, "rised", "red"]]', "expect[0]: must be [seconds,"),
        ('[[1, "raised"]]', "expect[0]: say the severity"),
        ('[[1, "raised", "pink"]]', "expect[0]: unknown severity 'pink'"),
        ('[["1", "raised", "red"]]', "expect[0]: must be"),
    ],
)
def test_an_expectation_that_is_none_is_refused(expect: str, says: str) -> None:
    with pytest.raises(RuleInvalid, match="test 'it'") as caught:
        outcomes(rule("heat", HIGH), PLAIN, f"expect = {expect}")
    assert says in str(caught.value)


def test_a_test_names_a_rule_of_its_file_and_further_ones_of_the_set() -> None:
    with pytest.raises(RuleInvalid, match="this file has no rule 'heat'"):
        outcomes(rule("heat2", HIGH), PLAIN, "expect = []")
    document = read("\n".join([rule("heat", HIGH), PLAIN, 'with = ["volts"]\nexpect = []']), "x")
    with pytest.raises(RuleInvalid, match="there is no rule 'volts'"):
        rule_trials.play(document.tests[0], {each.id: each for each in document.rules})
    more = read(rule("volts", LOW), "y").rules
    rules = {each.id: each for each in (*document.rules, *more)}
    assert rule_trials.play(document.tests[0], rules).holds
