"""The pages on checks and codes name everything that the code knows, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from geodata import beidou, codes
from geodata.codes import CodeMalformed
from geodata.maps.check import KINDS
from geodata.maps.words import TITLES

DOCS = Path(__file__).parents[3] / "docs"
CHECKS = (DOCS / "map-checks.md").read_text(encoding="utf-8")
CODES = (DOCS / "codes.md").read_text(encoding="utf-8")


def test_every_kind_of_finding_is_explained_in_the_order_of_telling() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", CHECKS, flags=re.MULTILINE)
    assert [kind for kind, _ in rows] == list(KINDS)
    assert [zh for _, zh in rows] == [TITLES[kind][0] for kind in KINDS]


def test_every_kind_of_finding_is_made_somewhere_and_no_other() -> None:
    made = set()
    for path in (Path(__file__).parents[3] / "geodata" / "maps").glob("*.py"):
        if path.name in ("check.py", "words.py", "model.py"):
            continue
        text = path.read_text(encoding="utf-8")
        made |= {kind for kind in KINDS if f'"{kind}"' in text}
    assert made == set(KINDS)


def test_the_examples_of_the_codes_page_are_codes_of_their_kind() -> None:
    rows = re.findall(r"^\| ([a-z]+)[^|]*\| \d+ \|[^|]*\| `(\w+)` \|", CODES, flags=re.MULTILINE)
    assert len(rows) == 7
    for name, example in rows:
        kind = "grid" if name == "unit" else name
        assert codes.validate(example, kind) is None, (name, example)
    assert beidou.level_of("N50F05072DD") == 5


@pytest.mark.parametrize(
    "wrong", [c for row in re.findall(r"^\| (`.*`) \| (?!unit)", CODES, flags=re.MULTILINE)
              for c in re.findall("`([^`]+)`", row)]
)  # fmt: skip
def test_the_wrong_codes_of_the_page_are_refused(wrong: str) -> None:
    with pytest.raises(CodeMalformed):
        codes.parse(wrong)
