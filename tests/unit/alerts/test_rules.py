from __future__ import annotations

import pytest

from alerts.rule_texts import parse
from alerts.rules import RuleInvalid, body, digest, from_body
from core.model import Field, Quality, Severity
from tests.support.alerting import HIGH, LADDER, LOW, MISSING, OFFLINE, RISE, loaded

PLAIN = """
[[rule]]
id = "heat"
name = { zh = "名", en = "name" }
advice = { zh = "做", en = "do" }
source = "editable seed"
"""


def test_a_rule_says_what_its_file_says() -> None:
    (entry,) = loaded(HIGH + "dwell_s = 3")
    rule = entry.rule
    assert (rule.id, rule.field, rule.type, rule.dwell_s) == ("rule-0", Field.FIRE, "high", 3.0)
    assert rule.levels[0].rank is Severity.ORANGE
    assert (rule.levels[0].raise_at, rule.levels[0].clear_at) == (57.0, 50.0)
    assert rule.reject_mask == Quality.CALIBRATING | Quality.DEVICE_FAULT
    assert not rule.latch


NEVER = Quality.CALIBRATING | Quality.DEVICE_FAULT


@pytest.mark.parametrize(
    ("text", "rejected"),
    [
        (HIGH, NEVER),
        (HIGH.replace("fire", "slope"), NEVER | Quality.OUT_OF_RANGE),
        (HIGH.replace("fire", "system"), NEVER | Quality.OUT_OF_RANGE | Quality.JUMP),
        (LADDER, NEVER | Quality.OUT_OF_RANGE | Quality.JUMP),
        (LOW, NEVER | Quality.OUT_OF_RANGE | Quality.JUMP),
        (LADDER + 'reject_quality = ["late"]', Quality.LATE | Quality.CALIBRATING),
        (LADDER + "reject_quality = []", Quality.CALIBRATING),
    ],
)
def test_a_rule_rejects_what_its_field_says_or_what_it_says_itself(
    text: str, rejected: Quality
) -> None:
    rule = loaded(text)[0].rule
    assert rule.reject_mask == rejected
    assert from_body(body(rule)).reject_mask == rejected


def test_the_stored_form_says_what_is_rejected() -> None:
    assert body(loaded(HIGH)[0].rule)["reject_quality"] == ("calibrating", "device_fault")


def test_a_rule_stored_before_keeps_what_it_rejected() -> None:
    stored = body(loaded(HIGH)[0].rule) | {"reject_quality": ["out_of_range", "calibrating"]}
    assert from_body(stored).reject_mask == Quality.OUT_OF_RANGE | Quality.CALIBRATING


@pytest.mark.parametrize("word", ["out_of_range", "jump", "stuck", "late", "clock_skew"])
def test_no_fire_rule_may_overlook_what_a_fire_looks_like(word: str) -> None:
    with pytest.raises(RuleInvalid) as caught:
        parse(PLAIN + HIGH + f'reject_quality = ["{word}"]', "fire.toml")
    assert f"reject_quality: a fire rule must judge {word!r} readings" in str(caught.value)
    other = HIGH.replace("fire", "slope") + f'reject_quality = ["{word}"]'
    assert Quality[word.upper()] in Quality(loaded(other)[0].rule.reject_mask)


@pytest.mark.parametrize("text", [HIGH, LADDER, LOW, RISE, MISSING, OFFLINE])
def test_the_stored_form_is_the_rule(text: str) -> None:
    rule = loaded(text)[0].rule
    assert from_body(body(rule)) == rule
    assert body(rule)["levels"][0].get("raise") == rule.levels[0].raise_at


def test_equal_rules_have_equal_digests_however_written() -> None:
    spelled = HIGH + "latch = false\ndwell_s = 0"
    assert digest(loaded(HIGH)[0].rule) == digest(loaded(spelled.replace("57.0", "57"))[0].rule)
    assert digest(loaded(HIGH)[0].rule) != digest(loaded(HIGH.replace("57.0", "58"))[0].rule)


@pytest.mark.parametrize(
    ("text", "kind", "field", "quantity", "expected"),
    [
        (HIGH, "heat", Field.FIRE, "temperature", True),
        (HIGH, "smoke", Field.FIRE, "smoke_alarm", False),
        (MISSING, "smoke", Field.FIRE, "smoke_alarm", True),
        (MISSING.replace("system", "water"), "smoke", Field.FIRE, "smoke_alarm", False),
        (MISSING.replace("system", "fire"), "smoke", Field.FIRE, "smoke_alarm", True),
        (OFFLINE, "smoke", Field.FIRE, "smoke_alarm", False),
    ],
)
def test_selection(text: str, kind: str, field: Field, quantity: str, expected: bool) -> None:
    assert loaded(text)[0].rule.selects(kind=kind, field=field, quantity=quantity) is expected


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"temperature"', '"temprature"', "select.quantity: unknown quantity 'temprature'"),
        ('["heat"]', '["heta"]', "select.kind: unknown device kind 'heta' (did you mean 'heat'?)"),
        ('["heat"]', '["smoke"]', "a 'smoke' device does not measure 'temperature'"),
        (', quantity = "temperature"', "", "select.quantity: required"),
        ('type = "high"', 'type = "hihg"', "type: invalid enum value 'hihg'"),
        ('field = "fire"', 'field = "frie"', "field: invalid enum value 'frie'"),
        ("raise = 57.0", 'raise = "57"', "levels[0].raise: expected `float | null`, got `str`"),
        ("raise = 57.0", "rise = 57.0", "levels[0]: object contains unknown field `rise`"),
        (", clear = 50.0", "", "levels[0]: raise and clear are required"),
        ("clear = 50.0", "clear = 58.0", "levels[0].clear: must be at or below raise"),
        ("raise = 57.0", "raise = inf", "must be finite"),
        ('severity = "orange"', 'severity = "pink"', "levels[0].severity: invalid enum value"),
        ("}]", "}]\nwindow_s = 5", "window_s: only for rules of type fall or rise"),
        ("}]", "}]\ndwell_s = -1", "dwell_s: expected `float` >= 0.0"),
        ("}]", '}]\nreject_quality = ["stuk"]', "unknown quality 'stuk' (did you mean 'stuck'?)"),
        ("}]", '}]\nreject_quality = ["good"]', "unknown quality 'good'"),
        ("}]", '}]\nreject_quality = ["Stuck"]', "unknown quality 'Stuck' (did you mean 'stuck'?)"),
        ("}]", '}]\nreject_quality = "stuck"', "reject_quality: expected `array | null`"),
        ("levels = [{", "levels = []\n# {", "levels: expected `array` of length >= 1"),
    ],
)
def test_a_mistake_is_named_with_file_rule_and_key(old: str, new: str, says: str) -> None:
    assert old in HIGH
    with pytest.raises(RuleInvalid) as caught:
        parse(PLAIN + HIGH.replace(old, new), "fire.toml")
    assert str(caught.value).startswith("fire.toml: rule 'heat': ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LADDER.replace("yellow", "blue"), "severities must ascend"),
        (LADDER.replace("raise = 0.27", "raise = 0.14"), "levels[1].clear: must be at or below"),
        (LADDER.replace("0.27, clear = 0.25", "0.14, clear = 0.13"), "levels[1]: raise must rise"),
        (LOW.replace("187.0, clear = 189.0", "199.0, clear = 201.0"), "levels[1]: raise must fall"),
        (LOW.replace("clear = 200.0", "clear = 190.0"), "must be at or above raise"),
        (RISE.replace("window_s = 30", ""), "window_s: required for rules of type fall or rise"),
        (MISSING + "dwell_s = 5", "dwell_s: only for rules of type all, anomaly, any,"),
        (MISSING.replace('"blue"', '"blue", raise = 5'), "one level with a severity"),
        (OFFLINE.replace("system", "fire"), "field: a gateway_offline rule is of 'system'"),
        (OFFLINE + 'select = { kind = ["heat"] }', "so it takes no select"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(RuleInvalid) as caught:
        parse(PLAIN + text, "x.toml")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rule", "x.toml: no valid TOML"),
        ("[[rules]]", "x.toml: unknown key 'rules'"),
        ("", "x.toml: no rules"),
        ("rule = 5", "x.toml: no rules"),
        ("rule = [5]", "x.toml: rule number 1: expected `object`"),
        ('[[rule]]\nname = "x"', "x.toml: rule number 1: "),
        (PLAIN.replace('"heat"', '"Heat!"') + HIGH, "id: expected `str` matching regex"),
        (PLAIN + HIGH + PLAIN + HIGH, "x.toml: rule 'heat' stands twice"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, says: str) -> None:
    with pytest.raises(RuleInvalid) as caught:
        parse(text, "x.toml")
    assert says in str(caught.value)


def test_an_unknown_key_comes_with_the_nearest_known_one() -> None:
    with pytest.raises(RuleInvalid) as caught:
        parse(PLAIN + HIGH + "dwel_s = 5", "x.toml")
    assert caught.value.remedy == "did you mean 'dwell_s'?"
    with pytest.raises(RuleInvalid) as caught:
        parse(PLAIN + HIGH + "zzzz = 5", "x.toml")
    assert "docs/rules.md" in caught.value.remedy
