from __future__ import annotations

from pathlib import Path

import pytest

from alerts import rulebook
from alerts.rule_listing import differences, plain
from alerts.rules import RuleInvalid, body
from tests.support.alerting import HIGH, LADDER, LOW, loaded

HEAD = """
[[rule]]
id = "{}"
name = {{ zh = "名", en = "name" }}
advice = {{ zh = "做", en = "do" }}
source = "editable seed"
"""
NAMING = HEAD.format("volts") + LOW + 'inhibit = [{ by = ["heat"] }]'
HEAT = HEAD.format("heat") + HIGH


def test_rules_that_name_each_other_may_stand_in_two_files(tmp_path: Path) -> None:
    one, two = tmp_path / "a.toml", tmp_path / "b.toml"
    one.write_text(NAMING)
    two.write_text(HEAT)
    assert [rule.id for rule in rulebook.folder(tmp_path).rules] == ["volts", "heat"]
    with pytest.raises(RuleInvalid, match=r"inhibit\[0\].by: there is no rule 'heat'"):
        rulebook.some([one])
    assert rulebook.some([one], {"heat"}).rules[0].id == "volts"
    assert rulebook.text(NAMING, "x", ["heat"]).place == "x"


def test_a_book_keeps_its_tests_by_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(HEAT + '[[test]]\nrule = "heat"\nname = "nothing"\nexpect = []')
    ((source, test),) = rulebook.some([path]).tests
    assert (source, test.name) == (str(path), "nothing")


def test_a_file_too_large_to_review_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(HEAT + "# " + "x" * rulebook.MAX_FILE_BYTES)
    with pytest.raises(RuleInvalid, match="are too many for a rule file"):
        rulebook.some([path])


def test_what_differs_is_named_key_by_key() -> None:
    before, after = (
        body(loaded(text)[0].rule) for text in (LADDER, LADDER.replace("0.27", "0.26"))
    )
    assert differences(before, after) == [("levels[1].raise", 0.27, 0.26)]
    after = body(loaded(LADDER + "dwell_s = 5\nlatch = true")[0].rule)
    assert differences(before, after) == [("dwell_s", 0.0, 5.0), ("latch", False, True)]
    fewer = body(loaded(LOW)[0].rule) | {"levels": []}
    assert ("levels[0].raise", 198.0, "(none)") in differences(body(loaded(LOW)[0].rule), fewer)
    assert [plain(value) for value in (5.0, True, "x")] == ["5", "true", "x"]
