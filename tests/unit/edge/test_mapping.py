"""Mappings: what is accepted, and that every mistake is told with its place and a way on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import is_id
from edge.mapping import MappingInvalid, Template, load_mapping

EXAMPLES = sorted(Path("examples/replay").glob("*.toml"))

GOOD = """\
[file]
time = "when"
timezone = "+08:00"

[gateway]
id = "gw-a"
name = "A"
lon = 114.1
lat = 22.5

[device]
kind = "heat"
interval_s = 1
lon = 114.1
lat = 22.5

[[value]]
column = "t1"
device = "fire.{room}.1"
quantity = "temperature"
unit = "Cel"

[[value]]
column = "t2"
device = "fire.{room}.2"
quantity = "temperature"
unit = "K"
lon = 114.2
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    return path


def test_a_good_mapping(tmp_path: Path) -> None:
    mapping = load_mapping(write(tmp_path, GOOD))
    assert mapping.columns == ("when", "t1", "room", "t2")
    first, second = mapping.values
    assert (first.unit, second.unit) == (None, "K")
    assert (first.table.lon, second.table.lon) == (114.1, 114.2)
    assert mapping.offset is not None
    assert mapping.offset.utcoffset(None) == timedelta(hours=8)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_good(path: Path) -> None:
    mapping = load_mapping(path)
    assert is_id(mapping.gateway.id)
    assert all(value.unit is None or value.table.unit == "cm" for value in mapping.values)


def test_there_are_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {"fire_compartments", "river_franklin"}


MISTAKES = {
    "no TOML": ("[file\n", ":1:6: no valid TOML"),
    "unknown table": (GOOD + "[gatewy]\nid='x'\n", "unknown table [gatewy]"),
    "unknown key": (GOOD.replace('unit = "K"', 'unti = "K"'), ":27:1: [value] contains unknown"),
    "key in file": (GOOD.replace("timezone", "timezon"), ":3:1: [file] contains unknown"),
    "no gateway": (GOOD.replace("[gateway]", "[device]", 1).replace("[device]", "", 1), "mapping"),
    "no value": (GOOD.partition("[[value]]")[0], "no [[value]]"),
    "value as a table": (GOOD.replace("[[value]]", "[value]", 1).partition("[[value]]")[0], "[["),
    "missing key": (GOOD.replace('column = "t2"\n', ""), ":23:1: [value] missing required field"),
    "wrong type": (GOOD.replace("lon = 114.2", 'lon = "x"'), ":28:1: Expected `float`"),
    "latitude first": (GOOD.replace("lat = 22.5", "lat = 114.1", 1), ":9:1: Expected `float` <="),
    "quantity": (GOOD.replace('"temperature"', '"temperatur"', 1), ":20:1: unknown quantity"),
    "kind": (GOOD.replace('kind = "heat"', 'kind = "hat"'), ":12:1: unknown device kind 'hat'"),
    "kind and quantity": (GOOD.replace('"heat"', '"smoke"'), ":20:1: a smoke does not measure"),
    "unit": (GOOD.replace('unit = "Cel"', 'unit = "V"'), ":21:1: unit 'V' cannot be converted"),
    "device id": (GOOD.replace("fire.{room}.1", "Fire 1"), ":19:1: 'Fire 1' is no device id"),
    "braces": (GOOD.replace("fire.{room}.1", "fire.{room"), ":19:1: "),
    "braces with more": (GOOD.replace("{room}.1", "{room!r}.1"), ":19:1: '"),
    "gateway id": (GOOD.replace('"gw-a"', '"GW A"'), ":6:1: 'GW A' is no gateway id"),
    "time format": (GOOD.replace('"when"', '"when"\ntime_format = "is"'), ":3:1: unknown time"),
    "timezone": (GOOD.replace('"+08:00"', '"Shanghai"'), ":3:1: Expected `str` matching"),
    "delimiter": (GOOD.replace('"when"', '"when"\ndelimiter = "\\""'), ":3:1: the delimiter"),
    "twice": (GOOD.replace("{room}.2", "{room}.1"), "of device fire.{room}.1"),
    "negative gap": (GOOD.replace('"when"', '"when"\nmax_gap_s = -1'), ":3:1: Expected `float` >="),
    "value is a list of numbers": (GOOD.partition("[[value]]")[0] + "value = [1]\n", "[["),
}


@pytest.mark.parametrize(("text", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(MappingInvalid) as failure:
        load_mapping(path)
    assert str(failure.value).startswith(str(path)) or told == "mapping"
    assert told in str(failure.value)
    assert failure.value.exit_code == 2


def test_a_near_miss_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingInvalid) as failure:
        load_mapping(write(tmp_path, GOOD.replace('"temperature"', '"temperatur"', 1)))
    assert "temperature" in failure.value.remedy


def test_an_absent_mapping_is_told(tmp_path: Path) -> None:
    with pytest.raises(MappingInvalid, match="cannot read"):
        load_mapping(tmp_path / "none.toml")


NAMES = st.text("abcXYZ _-.", min_size=1, max_size=8)
TEXTS = st.text("abc. -_", max_size=5)


@given(parts=st.lists(st.tuples(TEXTS, NAMES), max_size=4), values=st.data())
def test_a_template_is_filled_as_a_slow_join_fills_it(
    parts: list[tuple[str, str]], values: st.DataObject
) -> None:
    known = {name: values.draw(st.text(max_size=5)) for _, name in parts}
    template = Template.parse("".join(f"{before}{{{name}}}" for before, name in parts))
    assert template.columns == tuple(name for _, name in parts)
    assert template.fill(known) == "".join(before + known[name] for before, name in parts)


def outcome(path: Path) -> object:
    """Its columns, or whether the mistake was told with its file."""
    try:
        return load_mapping(path).columns
    except MappingInvalid as failure:
        return str(path) in str(failure)


LINES = st.sampled_from(
    [*GOOD.splitlines(), "[[value]]", "x = 1", "[", "value = 3", "[file.x]", ""]
)


@settings(max_examples=100)
@given(st.lists(LINES, max_size=30))
def test_any_text_gives_a_mapping_or_a_told_mistake(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = write(tmp_path_factory.getbasetemp(), "\n".join(lines))
    assert outcome(path)


@settings(max_examples=100)
@given(data=st.data())
def test_a_good_mapping_with_one_line_changed_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = GOOD.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    key = lines[at].partition("=")[0]
    junk = st.one_of(st.integers(), st.floats(), st.booleans(), st.text("a{}[]'.", max_size=6))
    lines[at] = f"{key}= {data.draw(junk)!r}"
    path = write(tmp_path_factory.getbasetemp(), "\n".join(lines))
    assert outcome(path)
