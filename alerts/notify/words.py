"""An alarm event as people read it, Chinese first: a title line and a short text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any

from core.units import QUANTITIES, judged_unit

CHINA = timezone(timedelta(hours=8))

SEVERITIES = {1: ("蓝色", "BLUE"), 2: ("黄色", "YELLOW"), 3: ("橙色", "ORANGE"), 4: ("红色", "RED")}
FIELDS = {
    "fire": ("消防", "fire"),
    "water": ("水务", "water"),
    "slope": ("边坡", "slope"),
    "traffic": ("交通", "traffic"),
    "system": ("系统", "system"),
}
KINDS = {
    "raised": ("报警", "raised"),
    "escalated": ("升级", "escalated"),
    "eased": ("减弱", "eased"),
    "returned": ("恢复", "returned"),
    "acknowledged": ("已确认", "acknowledged"),
    "commented": ("备注", "commented"),
    "closed": ("已关闭", "closed"),
    "assigned": ("已指派", "assigned"),
    "shelved": ("已搁置", "shelved"),
    "unshelved": ("解除搁置", "unshelved"),
    "suppressed": ("已抑制", "suppressed"),
    "unsuppressed": ("解除抑制", "unsuppressed"),
    "out_of_service": ("停用", "out of service"),
    "in_service": ("恢复使用", "in service"),
    "overdue": ("逾期未确认", "overdue"),
    "re_alarmed": ("再次报警", "re-alarmed"),
}
LEVELS = {
    "micro_station": ("微型消防站", "micro station"),
    "squadron": ("消防中队", "squadron"),
    "brigade": ("消防大队", "brigade"),
    "community": ("社区", "community"),
    "street": ("街道", "street"),
    "district": ("区", "district"),
}
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A message for people; neither part is empty for what is sent to them."""

    title: str = ""
    text: str = ""


def event_words(row: Mapping[str, Any]) -> Words:
    """Return the words of an event, of a row as ``alerts.notify.message.message`` takes it."""
    name = row["name"]
    severity, field = SEVERITIES[row["severity"]], FIELDS[row["field"]]
    kind = KINDS.get(row["kind"], (row["kind"], row["kind"]))
    device = row.get("device_name") or row["subject"]
    title = (
        f"【{severity[0]}】{field[0]}{kind[0]}：{name['zh']} · {device} / "
        f"[{severity[1]}] {field[1]} {kind[1]}: {name['en']}"
    )
    return Words(title=one_line(title), text="\n".join(_lines(row)))


def digest_words(rows: Sequence[Mapping[str, Any]], total: int) -> Words:
    """Return the words of a digest.

    Args:
        rows: the worst of what it stands for, worst first; at most ten are shown.
        total: how many events it stands for.
    """
    title = f"【汇总】另有 {total} 条报警消息 / [DIGEST] {total} further alarm events"
    lines = [event_words(row).title for row in rows[:_SHOWN]]
    if total > len(lines):
        lines.append(f"…… 共 {total} 条 / {total} in all")
    return Words(title=title, text="\n".join(lines))


def one_line(text: str) -> str:
    r"""Return text without line breaks and control characters, as a title or header needs it.

    Example:
        >>> one_line("a\r\nBcc: b\x00")
        'a Bcc: b'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _lines(row: Mapping[str, Any]) -> list[str]:
    at = row["event_at"].astimezone(CHINA)
    unit = judged_unit(row["quantity"], row["rule_type"], row.get("forecast") or "")
    advice, said = row.get("advice") or {}, row.get("said") or {}
    quantity = QUANTITIES.get(row["quantity"])
    lines = [f"时间 / time: {at:%Y-%m-%d %H:%M:%S} +08:00"]
    if row.get("value") is not None and row.get("threshold") is not None:
        what = f"{quantity.zh} / {quantity.en}" if quantity else "数值 / value"
        lines.append(f"{what}: {row['value']:.6g} {unit} ({row['threshold']:.6g} {unit})")
    lines += [said[tongue] for tongue in ("zh", "en") if said.get(tongue)]
    place = " ".join(str(row[key]) for key in ("space_name", "address") if row.get(key))
    if place:
        lines.append(f"地点 / place: {place}")
    if row.get("lon") is not None:
        lines.append(f"{row['lon']:.6f}, {row['lat']:.6f} (EPSG:4490)")
    lines.append(f"设备 / subject: {row['subject']}")
    lines += [advice[tongue] for tongue in ("zh", "en") if advice.get(tongue)]
    if row.get("note"):
        lines.append(f"{row['actor']}: {one_line(row['note'])}")
    called = row.get("called")
    if called:
        level = LEVELS.get(called["level"], (called["level"], called["level"]))
        lines.append(f"呼叫 / called: {called['name']} ({level[0]} / {level[1]})")
    return lines
