"""What a device says is plausible of it: what is taken, and what is refused in words."""

from __future__ import annotations

import math

import pytest

from core.plausible import Plausible, default_of, faults_of, own_of
from core.units import QUANTITIES


def test_what_is_not_said_is_the_default() -> None:
    own = own_of("temperature", {"temperature": {"high": 80, "jump_per_s": 0}})
    default = default_of("temperature")
    assert own is not None
    assert (own.high, own.jump_per_s) == (80.0, 0.0)
    assert (own.low, own.jump, own.stuck_s) == (default.low, default.jump, default.stuck_s)
    assert not own.own_stuck_s


def test_null_switches_a_check_off() -> None:
    own = own_of("depth", {"depth": {"jump": None, "stuck_s": None}})
    assert own is not None
    assert (own.jump, own.stuck_s, own.own_stuck_s, own.rest) == (math.inf, math.inf, True, 0)


@pytest.mark.parametrize("said", [{}, {"depth": {"high": 9}}, None, 5, "x", [], {"temperature": 5}])
def test_a_device_that_says_nothing_usable_of_a_quantity_has_the_default(said: object) -> None:
    assert own_of("temperature", said) is None


def test_everything_is_plausible_of_an_unknown_quantity() -> None:
    assert default_of("radon") == Plausible()
    assert own_of("radon", {"radon": {"high": 5}}) is None


@pytest.mark.parametrize("quantity", sorted(QUANTITIES))
def test_the_default_is_what_the_table_says(quantity: str) -> None:
    known, default = QUANTITIES[quantity], default_of(quantity)
    for name in ("low", "high", "jump", "jump_per_s", "stuck_s", "rest"):
        assert getattr(default, name) == getattr(known, name)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (5, "attributes.quality: must be an object of quantities"),
        ({"temprature": {}}, "unknown quantity 'temprature' (did you mean 'temperature'?)"),
        ({"depth": 5}, "attributes.quality.depth: must be an object with keys of low, high,"),
        ({"depth": {"hihg": 5}}, "unknown key 'hihg' (did you mean 'high'?)"),
        ({"depth": {"rest": 5}}, "unknown key 'rest'"),
        ({"depth": {"high": "deep"}}, "attributes.quality.depth: high: must be a number"),
        ({"depth": {"high": True}}, "high: must be a number"),
        ({"depth": {"high": None}}, "high: must be a number"),
        ({"depth": {"jump": "far"}}, "jump: must be a number or null"),
        ({"depth": {"jump": math.nan}}, "jump: must be a number or null"),
        ({"depth": {"low": -math.inf}}, "low: must be a number"),
        ({"depth": {"stuck_s": 10**400}}, "stuck_s: must be a number or null"),
        ({"depth": {"jump": -1}}, "jump: must be 0 or more"),
        ({"depth": {"jump_per_s": -0.1}}, "jump_per_s: must be 0 or more"),
        ({"depth": {"stuck_s": 0}}, "stuck_s: must be more than 0, or null for never"),
        ({"depth": {"low": 5}}, "low (5) must be less than high (5)"),
        ({"depth": {"low": 9, "high": 8}}, "low (9) must be less than high (8)"),
    ],
)
def test_what_cannot_be_used_is_told_and_the_default_stays(said: object, words: str) -> None:
    assert len(list(faults_of(said))) == 1
    assert words in next(iter(faults_of(said)))
    assert own_of("depth", said) is None


def test_a_fault_in_one_quantity_leaves_the_others() -> None:
    said = {"depth": {"high": "deep"}, "temperature": {"high": 80}, "gone": {}}
    assert len(list(faults_of(said))) == 2
    assert own_of("temperature", said) is not None


def test_what_the_device_does_not_measure_is_told_where_that_is_known() -> None:
    said = {"depth": {"high": 9}}
    assert list(faults_of(said)) == []
    assert list(faults_of(said, ["depth"])) == []
    assert list(faults_of(said, ["flow"])) == [
        "attributes.quality: the device does not measure 'depth'"
    ]
