"""The kinds of devices: their schemas, what they refuse, and own ones from a folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from core.errors import ConfigInvalid, UsageError
from core.kinds import CONFIGURATION, DRAFT, INSTALLATION, KINDS
from core.model import Field
from core.units import DEVICE_KINDS
from simulators.district import demo_district
from tests.support.small_district import small_district
from twin.district import check
from twin.kinds import BUILT_IN, Kinds

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.fixture
def known_again() -> Iterator[None]:
    """Forget the kinds that a test made known to the process."""
    before = dict(DEVICE_KINDS)
    yield
    DEVICE_KINDS.clear()
    DEVICE_KINDS.update(before)


def own(folder: Path, kind: str, **content: Any) -> Path:
    plain = {
        "field": "fire",
        "quantities": ["temperature"],
        "zh": "热像仪",
        "en": "thermal camera",
        "schema": {"properties": {"lens_mm": {"type": "number", "minimum": 1}}},
    }
    path = folder / f"{kind}.json"
    path.write_text(json.dumps({k: v for k, v in (plain | content).items() if v is not None}))
    return path


@pytest.mark.parametrize("kind", DEVICE_KINDS)
def test_every_kind_has_a_valid_schema_with_titles_sides_and_units(kind: str) -> None:
    schema = KINDS[kind]
    assert schema["$schema"] == DRAFT
    Draft202012Validator.check_schema(schema)
    assert (schema["title"], schema["titleEn"]) == (DEVICE_KINDS[kind].zh, DEVICE_KINDS[kind].en)
    for name, one in schema["properties"].items():
        assert one["title"], name
        assert one["titleEn"], name
        assert one["side"] in (INSTALLATION, CONFIGURATION), name
        assert ("unit" in one) == (one.get("type") == "number"), name
    assert "interval_s" in BUILT_IN.configuration(kind)


def test_the_shipped_districts_fit_their_schemas() -> None:
    check(demo_district())
    check(small_district())


@pytest.mark.parametrize(
    ("kind", "attributes", "words"),
    [
        ("pipe_flow", {"pipe_diameter_mm": 3}, "attributes.pipe_diameter_mm: 3 is less than the"),
        ("pipe_flow", {"pipe_diameter_mm": 3}, "(mm)"),
        ("pipe_flow", {"pipe_diameter_mm": "wide"}, "is not of type 'number'"),
        ("heat", {"response_class": "Z"}, "attributes.response_class: 'Z' is not one of"),
        ("smoke", {"installed_at": "yesterday"}, "attributes.installed_at: 'yesterday' is not a"),
        ("smoke", {"installed_at": "2026-01-01T00:00:00"}, "is not a 'date-time'"),
        ("smoke", {"calibrated_on": "2026-13-01"}, "is not a 'date'"),
        ("water_quality", {"probes": ["ph", 7]}, "attributes.probes.1: 7 is not of type"),
    ],
)
def test_attributes_that_contradict_the_schema_are_named(
    kind: str, attributes: dict[str, Any], words: str
) -> None:
    (fault,) = BUILT_IN.faults(kind, attributes)
    assert words in str(fault)
    device = dataclasses.replace(small_district().devices[0], kind=kind, attributes=attributes)
    with pytest.raises(UsageError) as caught:
        check(dataclasses.replace(small_district(), devices=(device,)))
    assert words in str(caught.value)


def test_unknown_attributes_are_allowed_and_can_be_asked_for() -> None:
    said = {"site": "fire-01", "floor": 3}
    assert list(BUILT_IN.faults("smoke", said)) == []
    assert BUILT_IN.unknown("smoke", said) == ["site"]


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.text(max_size=8), JSON))
def test_any_attributes_are_judged_without_an_accident(
    kind: str, attributes: dict[str, Any]
) -> None:
    named = dict.fromkeys(list(KINDS[kind]["properties"])[:5], attributes.get(""))
    for fault in BUILT_IN.faults(kind, attributes | named):
        assert fault.detail
    for name, value in attributes.items():
        BUILT_IN.desired_fault(kind, name, value)


@pytest.mark.usefixtures("known_again")
def test_an_own_kind_is_loaded_validated_and_can_be_closed(tmp_path: Path) -> None:
    schema = {
        "properties": {
            "lens_mm": {"type": "number", "minimum": 1, "unit": "mm"},
            "preset": {"type": "integer", "side": "configuration"},
        },
        "additionalProperties": False,
    }
    own(tmp_path, "thermal_camera", schema=schema)
    kinds = Kinds.read(str(tmp_path))
    assert DEVICE_KINDS["thermal_camera"].field is Field.FIRE
    plain = small_district()
    device = dataclasses.replace(
        plain.devices[0], kind="thermal_camera", attributes={"lens_mm": 25, "serial": "S1"}
    )
    check(dataclasses.replace(plain, devices=(device,)), kinds=kinds)
    closed = dataclasses.replace(device, attributes={"lens": 25})
    with pytest.raises(UsageError, match="Additional properties are not allowed"):
        check(dataclasses.replace(plain, devices=(closed,)), kinds=kinds)
    assert kinds.desired_fault("thermal_camera", "preset", 3) is None
    assert kinds.desired_fault("thermal_camera", "lens_mm", 3) is not None


@pytest.mark.usefixtures("known_again")
def test_a_built_in_kind_can_be_told_more(tmp_path: Path) -> None:
    only = {"field": None, "quantities": None, "zh": None, "en": None}
    own(tmp_path, "heat", **only)
    kinds = Kinds.read(str(tmp_path))
    assert {"lens_mm", "response_class"} <= set(kinds.schemas["heat"]["properties"])
    assert kinds.schemas["heat"]["title"] == DEVICE_KINDS["heat"].zh
    assert "lens_mm" not in KINDS["heat"]["properties"]


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("Camera", {}, "cannot be the name of a kind"),
        ("camera", {"quantities": ["charm"]}, "quantity 'charm' is unknown"),
        ("camera", {"zh": None}, "needs field, quantities, zh and en"),
        ("camera", {"colour": 1}, "colour"),
        ("camera", {"schema": {"properties": 5}}, "properties must be an object"),
        ("camera", {"schema": {"properties": {"a": {"type": "numbr"}}}}, "properties.a.type"),
        ("camera", {"schema": {"properties": {"a": {"side": "left"}}}}, "side must be"),
        ("camera", {"schema": {"properties": {"a": {"unit": 5}}}}, "UCUM code"),
        (
            "camera",
            {"schema": {"properties": {"a": {"$ref": "http://127.0.0.1/x"}}}},
            "may lead only to places in the same file",
        ),
        ("heat", {}, "heat is built in; give only its schema"),
    ],
)
@pytest.mark.usefixtures("known_again")
def test_a_wrong_kind_names_its_file_and_place(
    tmp_path: Path, kind: str, content: dict[str, Any], words: str
) -> None:
    path = own(tmp_path, kind, **content)
    with pytest.raises(ConfigInvalid) as caught:
        Kinds.read(str(tmp_path))
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="is no folder"):
        Kinds.read(str(tmp_path / "none"))
    assert Kinds.read("").schemas == KINDS
