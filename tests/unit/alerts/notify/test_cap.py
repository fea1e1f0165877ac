"""CAP messages held against the standard's own table of elements (OASIS CAP-V1.2, section 3.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.notify.cap import ATOM_NS, CAP_NS, alert, feed

AT = datetime(2026, 9, 1, 8, 0, 0, 250000, tzinfo=UTC)
ROW: dict[str, Any] = {
    "event_id": 7,
    "event_key": UUID(int=9),
    "kind": "raised",
    "at": AT,
    "event_at": AT,
    "actor": "engine",
    "severity": 3,
    "value": 61.5,
    "note": "",
    "alarm_id": UUID(int=5),
    "rule_id": "fire-heat-fixed",
    "name": {"zh": "定温火警", "en": "Fixed"},
    "advice": {"zh": "查看", "en": "Look"},
    "rule_type": "high",
    "field": "fire",
    "subject": "device:heat-1",
    "device_name": "设备 1",
    "address": "",
    "space": "a-b001000",
    "space_name": "名",
    "lon": 114.10145,
    "lat": 22.50045,
    "quantity": "temperature",
    "threshold": 57.0,
    "said": None,
    "life_safety": True,
    "raised_at": AT,
    "close_cause": None,
    "before": [],
}
# Elements in the schema's order; those after the bar may come more than once.
ALERT = [
    *("identifier", "sender", "sent", "status", "msgType", "source", "scope", "restriction"),
    *("addresses", "code", "note", "references", "incidents", "info"),
]
INFO = [
    *("language", "category", "event", "responseType", "urgency", "severity", "certainty"),
    *("audience", "eventCode", "effective", "onset", "expires", "senderName", "headline"),
    *("description", "instruction", "web", "contact", "parameter", "resource", "area"),
]
AREA = ["areaDesc", "polygon", "circle", "geocode", "altitude", "ceiling"]
REQUIRED = {
    "alert": {"identifier", "sender", "sent", "status", "msgType", "scope"},
    "info": {"category", "event", "urgency", "severity", "certainty"},
    "area": {"areaDesc"},
}
WORDS = {
    "status": {"Actual", "Exercise", "System", "Test", "Draft"},
    "msgType": {"Alert", "Update", "Cancel", "Ack", "Error"},
    "scope": {"Public", "Restricted", "Private"},
    "category": {
        "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport",
        "Infra", "CBRNE", "Other",
    },
    "responseType": {
        "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear",
        "None",
    },
    "urgency": {"Immediate", "Expected", "Future", "Past", "Unknown"},
    "severity": {"Extreme", "Severe", "Moderate", "Minor", "Unknown"},
    "certainty": {"Observed", "Likely", "Possible", "Unlikely", "Unknown"},
}  # fmt: skip
REPEATED = {"info", "category", "responseType", "parameter", "geocode", "circle", "area"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
FORBIDDEN = re.compile(r"[ ,<&]")


def names(element: Element) -> list[str]:
    return [child.tag.removeprefix(f"{{{CAP_NS}}}") for child in element]


def check_order(element: Element, order: list[str], what: str) -> None:
    found = names(element)
    assert set(found) <= set(order), found
    assert found == sorted(found, key=order.index), found
    assert REQUIRED[what] <= set(found)
    assert {name for name in found if found.count(name) > 1} <= REPEATED


def text(root: Element, name: str) -> str:
    return root.findtext(f"{{{CAP_NS}}}{name}") or ""


def check(body: bytes) -> Element:
    """Hold a message against the standard."""
    root = fromstring(body)
    assert root.tag == f"{{{CAP_NS}}}alert"
    check_order(root, ALERT, "alert")
    for info in root.findall(f"{{{CAP_NS}}}info"):
        check_order(info, INFO, "info")
        for area in info.findall(f"{{{CAP_NS}}}area"):
            check_order(area, AREA, "area")
    for each in root.iter():
        name = each.tag.removeprefix(f"{{{CAP_NS}}}")
        assert each.text in WORDS.get(name, {each.text}), name
        if name in {"sent", "effective", "onset"}:
            assert TIME.fullmatch(each.text or ""), each.text
        if name in {"identifier", "sender"}:
            assert not FORBIDDEN.search(each.text or " ")
        if name == "circle":
            assert re.fullmatch(r"-?\d+\.\d+,-?\d+\.\d+ [\d.]+", each.text or "")
    if text(root, "scope") == "Restricted":
        assert text(root, "restriction"), "3.2.1: used when scope is Restricted"
    for reference in text(root, "references").split():
        sender, identifier, sent = reference.split(",")
        assert sender
        assert identifier
        assert TIME.fullmatch(sent)
    return root


def test_an_alarm_is_an_alert_in_both_languages() -> None:
    root = check(alert(ROW, sender="urn:luohu"))
    assert (text(root, "identifier"), text(root, "sender")) == (str(UUID(int=9)), "urn:luohu")
    assert text(root, "sent") == "2026-09-01T16:00:00+08:00"
    assert (text(root, "status"), text(root, "msgType")) == ("Actual", "Alert")
    chinese, english = root.findall(f"{{{CAP_NS}}}info")
    assert (text(chinese, "language"), text(chinese, "event")) == ("zh-CN", "定温火警")
    assert (text(english, "language"), text(english, "instruction")) == ("en-US", "Look")
    said = [text(english, name) for name in ("category", "urgency", "severity", "certainty")]
    assert said == ["Fire", "Immediate", "Severe", "Observed"]
    area = english.find(f"{{{CAP_NS}}}area")
    assert area is not None
    assert text(area, "circle") == "22.500450,114.101450 0.05", "latitude first"


@pytest.mark.parametrize(
    ("change", "kind", "urgency"),
    [
        ({"kind": "escalated"}, "Update", "Immediate"),
        ({"kind": "eased", "life_safety": False}, "Update", "Expected"),
        ({"kind": "returned"}, "Cancel", "Past"),
        ({"kind": "closed"}, "Cancel", "Past"),
    ],
)
def test_what_follows_names_what_it_follows_on(
    change: dict[str, Any], kind: str, urgency: str
) -> None:
    before = [(str(UUID(int=3)), AT), (str(UUID(int=4)), AT)]
    root = check(alert(ROW | {"before": before} | change, sender="urn:luohu"))
    assert text(root, "msgType") == kind
    assert text(root, "references").split() == [
        f"urn:luohu,{UUID(int=number)},2026-09-01T16:00:00+08:00" for number in (3, 4)
    ]
    info = root.find(f"{{{CAP_NS}}}info")
    assert info is not None
    assert text(info, "urgency") == urgency


TEXT = st.text(max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    name=TEXT,
    sender=TEXT,
    place=TEXT,
    field=st.sampled_from(["fire", "water", "slope", "traffic", "system"]),
    kind=st.sampled_from(["raised", "escalated", "eased", "returned", "closed", "re_alarmed"]),
    severity=st.integers(1, 4),
    rule_type=st.sampled_from(["high", "anomaly", "forecast", "missing"]),
    numbers=st.tuples(st.none() | st.floats(allow_nan=False), st.none() | st.floats(-180, 180)),
)
def test_whatever_is_said_the_standard_is_kept(
    name: str,
    sender: str,
    place: str,
    field: str,
    kind: str,
    severity: int,
    rule_type: str,
    numbers: tuple[float | None, float | None],
) -> None:
    row = ROW | {
        "name": {"zh": name, "en": name},
        "space_name": place,
        "field": field,
        "kind": kind,
        "severity": severity,
        "rule_type": rule_type,
        "value": numbers[0],
        "lon": numbers[1],
        "quantity": "",
    }
    check(alert(row, sender=f"urn:{sender}"))
    assert fromstring(feed([row], sender=sender, at=AT, path="/api/v1/cap")) is not None


def test_the_feed_lists_alerts_and_leads_to_them() -> None:
    root = fromstring(feed([ROW], sender="urn:luohu", at=AT, path="/api/v1/cap"))
    (entry,) = root.findall(f"{{{ATOM_NS}}}entry")
    link = entry.find(f"{{{ATOM_NS}}}link")
    assert link is not None
    assert link.get("href") == "/api/v1/cap/7"
    for required in ("id", "title", "updated"):
        assert entry.findtext(f"{{{ATOM_NS}}}{required}")
        assert root.findtext(f"{{{ATOM_NS}}}{required}")
    assert fromstring(feed([], sender="s", at=AT, path="/")).findtext(f"{{{ATOM_NS}}}updated")
