"""Say in one sentence, in both languages, why a place was found and what does not agree."""

from __future__ import annotations

import re

from geodata.addresses.doors import Neighbours
from geodata.addresses.index import Index
from geodata.addresses.parts import Address, road_of
from geodata.addresses.places import UNSURE, Level, Sentence, Source

_NUMBERS = re.compile(r"\d+|[A-Z]+\d*")
_PARTS = {
    "door": ("门牌号", "door number"),
    "building": ("楼栋", "building"),
    "unit": ("单元", "unit"),
    "floor": ("楼层", "floor"),
    "room": ("户室", "room"),
}


def explain(index: Index, address: Address, row: int, score: float) -> Sentence:
    """Return what agrees and what does not between an address and a row."""
    said = [
        *_other_district(index, address),
        *_names(index, address, row),
        *_unknown_parts(index, address, row),
        *_elsewhere(index, address, row),
    ]
    if not said:
        said = [_beyond(index, address, row) or _agrees(index, row, score)]
    return framed(said, score)


def framed(said: list[Sentence], score: float) -> Sentence:
    """Join clauses to one sentence, which says that it is a guess if the score is low."""
    zh, en = "；".join(one.zh for one in said), "; ".join(one.en for one in said)
    if score < UNSURE:
        return Sentence(f"不确定：{zh}", f"unsure: {en}")
    return Sentence(zh, en)


def unknown_door(address: Address, known: Neighbours, *, reckoned: bool) -> Sentence:
    """Say that a door number is not known, and what is."""
    side = ("同侧", "same side") if known.same_side else ("对侧", "the other side")
    zh = f"门牌号 {address.door} 不在库中，已知最近的是 {known.number} 号（{side[0]}）"
    en = f"door number {address.door} is not known; nearest known is {known.number}, {side[1]}"
    if reckoned and known.between is not None:
        low, high = known.between
        zh += f"，位置按 {low} 号与 {high} 号之间推算"
        en += f"; the point is reckoned between {low} and {high}"
    return Sentence(zh, en)


def _other_district(index: Index, address: Address) -> list[Sentence]:
    here = index.districts
    if not address.district or not here or address.district in here:
        return []
    return [
        Sentence(
            f"所写的{address.district}不在已载入的范围内", f"{address.district} is not loaded here"
        )
    ]


def _names(index: Index, address: Address, row: int) -> list[Sentence]:
    """Say which name was taken for which."""
    typed = road_of(address) or address.estate
    number = int(index.columns["road"][row])
    found = index.roads.names[number] if number >= 0 else ""
    estate = int(index.columns["estate"][row])
    names = {found, index.estates.names[estate] if estate >= 0 else ""}
    if index.source(row) in (Source.SPACE, Source.DEVICE):
        label = index.labels.names[int(index.columns["label"][row])]
        names.add(label)
        if typed and typed in label:
            return []
    if not typed or typed in names or not any(names):
        return []
    best = found or next(name for name in sorted(names, reverse=True) if name)
    return [Sentence(f"“{typed}”按“{best}”理解", f"{typed} is taken for {best}")]


def _unknown_parts(index: Index, address: Address, row: int) -> list[Sentence]:
    """Name the first part that was said and that the place lacks or has otherwise."""
    for part, (zh, en) in _PARTS.items():
        typed = getattr(address, part)
        if not typed or _in_label(index, typed, row):
            continue
        known = index.said(part, row)
        if known and known != typed:
            return [Sentence(f"{zh} {known} 以 {typed} 开头", f"{en} {known} begins with {typed}")]
        if not known:
            place = _LEVEL_WORDS[index.level(row)]
            return [
                Sentence(
                    f"{zh} {typed} 不在库中，这是其所在的{place[0]}",
                    f"{en} {typed} is not known; this is the {place[1]} it belongs to",
                )
            ]
    return []


def lacks(index: Index, address: Address, row: int) -> bool:
    """Whether an address says a part that the row does not have."""
    return any(
        (typed := getattr(address, part))
        and not index.said(part, row)
        and not _in_label(index, typed, row)
        for part in _PARTS
    )


def _agrees(index: Index, row: int, score: float) -> Sentence:
    if score < 0.9 and index.source(row) in (Source.SPACE, Source.DEVICE):
        return Sentence("名称含有所写的内容", "its name contains what was typed")
    return Sentence("所写各部分都一致", "every part given agrees")


def _in_label(index: Index, typed: str, row: int) -> bool:
    """Whether a place says a number in its own name, as spaces and devices do."""
    label = int(index.columns["label"][row])
    return label >= 0 and typed in _NUMBERS.findall(index.labels.names[label])


def _elsewhere(index: Index, address: Address, row: int) -> list[Sentence]:
    for part in ("street", "community"):
        typed, known = getattr(address, part), index.said(part, row)
        if typed and known and typed != known:
            return [Sentence(f"它属于{known}，不是{typed}", f"it lies in {known}, not in {typed}")]
    return []


def _beyond(index: Index, address: Address, row: int) -> Sentence | None:
    for part, (zh, en) in _PARTS.items():
        known = index.said(part, row)
        if known and not getattr(address, part) and not _in_label(index, known, row):
            return Sentence(
                f"所写各部分一致，另有{zh} {known}", f"what is given agrees; {en} {known}"
            )
    return None


_LEVEL_WORDS = {
    Level.DISTRICT: ("区", "district"),
    Level.STREET: ("街道", "street"),
    Level.COMMUNITY: ("社区", "community"),
    Level.GRID: ("网格", "grid"),
    Level.BLOCK: ("街区", "block"),
    Level.ROAD: ("道路", "road"),
    Level.DOOR: ("门牌", "door"),
    Level.ESTATE: ("小区", "estate"),
    Level.BUILDING: ("楼栋", "building"),
    Level.UNIT: ("单元", "unit"),
    Level.FLOOR: ("楼层", "floor"),
    Level.ROOM: ("户室", "room"),
    Level.DEVICE: ("设备", "device"),
    Level.POINT: ("位置", "point"),
}
