"""Alarm events as CAP 1.2 alerts (OASIS CAP-V1.2) and their list as an Atom feed (RFC 4287). Pure.

Element order is the schema's; times carry an offset and never "Z" (CAP 1.2, 3.3.2: dateTime).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from alerts.notify.words import CHINA, FIELDS, SEVERITIES, event_words, one_line
from core.units import judged_unit

CAP_NS = "urn:oasis:names:tc:emergency:cap:1.2"
ATOM_NS = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/cap+xml"
ATOM_TYPE = "application/atom+xml"
RADIUS_KM = 0.05
"""Radius of the circle around a device, in kilometres: the size of a building."""

_CATEGORIES = {"fire": "Fire", "water": "Met", "slope": "Geo", "traffic": "Transport"}
_SEVERITIES = {1: "Minor", 2: "Moderate", 3: "Severe", 4: "Extreme"}
_OVER = frozenset({"returned", "closed"})
_CERTAINTIES = {"anomaly": "Possible", "forecast": "Likely"}

Row = Mapping[str, Any]


def alert(row: Row, *, sender: str) -> bytes:
    """Return one alarm event as a CAP alert.

    Args:
        row: one row of the statement ``events`` of ``feed.sql``.
        sender: identifies the originator; spaces, commas, < and & are not allowed in it.
    """
    root = Element("alert", xmlns=CAP_NS)
    _text(root, "identifier", str(row["event_key"]))
    _text(root, "sender", sender_of(sender))
    _text(root, "sent", when(row["at"]))
    _text(root, "status", "Test" if row["close_cause"] == "test" else "Actual")
    _text(root, "msgType", _kind(row))
    _text(root, "scope", "Restricted")
    _text(root, "restriction", "duty desks of the district")
    if row["before"]:
        earlier = (f"{sender_of(sender)},{key},{when(at)}" for key, at in row["before"])
        _text(root, "references", " ".join(earlier))
    for tongue, language in (("zh", "zh-CN"), ("en", "en-US")):
        root.append(_info(row, tongue, language))
    return _document(root)


def feed(rows: Sequence[Row], *, sender: str, at: datetime, path: str) -> bytes:
    """Return the Atom list of alerts, in the order given.

    Args:
        rows: as for ``alert``.
        sender: as for ``alert``.
        at: when it was made; the newest row's time counts where there is one.
        path: address of the list; an alert lies below it under its event's number.
    """
    root = Element("feed", xmlns=ATOM_NS)
    _text(root, "id", f"{sender_of(sender)}:cap")
    _text(root, "title", "blocktwin: alarms / 报警")
    _text(root, "updated", when(max((row["at"] for row in rows), default=at)))
    author = SubElement(root, "author")
    _text(author, "name", sender_of(sender))
    SubElement(root, "link", rel="self", type=ATOM_TYPE, href=path)
    for row in rows:
        entry = SubElement(root, "entry")
        _text(entry, "id", f"urn:uuid:{row['event_key']}")
        _text(entry, "title", event_words(row).title)
        _text(entry, "updated", when(row["at"]))
        SubElement(entry, "link", type=MEDIA_TYPE, href=f"{path}/{row['event_id']}")
        SubElement(entry, "category", term=_kind(row))
        summary = SubElement(entry, "summary", type="text")
        summary.text = _clean(event_words(row).text)
    return _document(root)


def when(at: datetime) -> str:
    """Return a time as CAP writes it.

    Example:
        >>> when(datetime.fromisoformat("2026-01-01T00:00:00.123456+00:00"))
        '2026-01-01T08:00:00+08:00'
    """
    return at.astimezone(CHINA).isoformat(timespec="seconds")


def sender_of(source: str) -> str:
    """Return the CloudEvents source as a CAP sender, without what CAP forbids there.

    Example:
        >>> sender_of("urn:district one,<x>")
        'urn:district_one__x_'
    """
    return "".join("_" if sign in " ,<>&" or not sign.isprintable() else sign for sign in source)


def _document(root: Element) -> bytes:
    body: bytes = tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body


def _info(row: Row, tongue: str, language: str) -> Element:
    info = Element("info")
    name, place = row["name"], 0 if tongue == "zh" else 1
    headline = f"{SEVERITIES[row['severity']][place]} {FIELDS[row['field']][place]}: {name[tongue]}"
    over = row["kind"] in _OVER
    urgency = "Past" if over else "Immediate" if row["life_safety"] else "Expected"
    _text(info, "language", language)
    _text(info, "category", _CATEGORIES.get(row["field"], "Infra"))
    _text(info, "event", name[tongue])
    _text(info, "responseType", "AllClear" if over else "Assess")
    _text(info, "urgency", urgency)
    _text(info, "severity", _SEVERITIES[row["severity"]])
    _text(info, "certainty", _CERTAINTIES.get(row["rule_type"], "Observed"))
    _text(info, "effective", when(row["at"]))
    _text(info, "onset", when(row["raised_at"]))
    _text(info, "senderName", "blocktwin")
    _text(info, "headline", one_line(headline)[:160])
    _text(info, "description", (row["said"] or {}).get(tongue) or _numbers(row))
    advice = (row["advice"] or {}).get(tongue)
    if advice:
        _text(info, "instruction", advice)
    for key in ("rule_id", "subject", "alarm_id", "quantity"):
        if row[key]:
            _parameter(info, key, str(row[key]))
    _parameter(info, "colour", SEVERITIES[row["severity"]][1].lower())
    info.append(_area(row))
    return info


def _area(row: Row) -> Element:
    area = Element("area")
    described = [row["space_name"], row["address"], row["device_name"], row["subject"]]
    _text(area, "areaDesc", " ".join(str(part) for part in described if part))
    if row["lon"] is not None:
        # CAP writes latitude first, against the rest of this program (CAP 1.2, 3.2.4: circle).
        _text(area, "circle", f"{row['lat']:.6f},{row['lon']:.6f} {RADIUS_KM:g}")
    if row["space"]:
        _parameter(area, "space", row["space"], name="geocode")
    return area


def _kind(row: Row) -> str:
    if row["kind"] in _OVER and row["before"]:
        return "Cancel"
    return "Update" if row["before"] else "Alert"


def _numbers(row: Row) -> str:
    unit = judged_unit(row["quantity"], row["rule_type"], row.get("forecast") or "")
    value = "" if row["value"] is None else f"{row['value']:.6g} {unit} "
    return f"{row['quantity']} {value}({row['threshold']:.6g} {unit})".strip()


def _parameter(parent: Element, key: str, value: str, *, name: str = "parameter") -> None:
    part = SubElement(parent, name)
    _text(part, "valueName", key)
    _text(part, "value", value)


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _clean(text)


def _clean(text: str) -> str:
    """Return text without signs that XML 1.0 (2.2) forbids."""
    return "".join(sign for sign in text if sign in "\n\t" or sign.isprintable())
