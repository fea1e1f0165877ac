"""Take a Chinese address apart and write it in one normal form.

The working model: 省 › 市 › 区 › 街道 › 社区 › 网格 › 路/巷/村 › 门牌号 › 小区/院 › 楼栋 ›
单元 › 层 › 户室. Of GB/T 23705-2009 only the scope was read, so this is a model of the addresses
seen, not that standard's. In X号Y号 the trailing Y号 is the room; in 村X号 alone it is the door.

What is not understood stays in ``rest``; what stands in brackets, or says only 旁 or 对面, is a
hint and no part of the normal form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from geodata.addresses.names import Admin, Gazetteer, built_in
from geodata.addresses.parts import Address
from geodata.addresses.text import MAX_TEXT, clean, is_english, without_contacts

ROUNDS = 6
"""How often a text is brought to its normal form before one of those it turns in is chosen."""


def parse(text: str, names: Gazetteer | None = None) -> Address:
    """Take an address apart; never raises, whatever the text.

    Of a text longer than ``MAX_TEXT`` the beginning is read and a note says so; whoever stands at a
    door refuses it there (``text.admit``).

    Example:
        >>> found = parse("罗湖区黄贝街道黄贝路１００２号华丽东村十二幢2单元一〇一号")
        >>> found.normal
        '广东省深圳市罗湖区黄贝街道黄贝路1002号华丽东村12栋2单元101室'
    """
    gazetteer = names or built_in()
    first = _read(clean(text), gazetteer)
    settled = _settle(first, gazetteer)
    notes = dict.fromkeys((*first.notes, *settled.notes))
    if len(text) > MAX_TEXT:
        notes[f"longer than {MAX_TEXT} characters: the rest was not read"] = None
    return replace(settled, hint=first.hint, bare=first.bare, notes=tuple(notes))


def normalise(text: str, names: Gazetteer | None = None) -> str:
    """Return the normal form; the normal form of a normal form is itself."""
    return parse(text, names).normal


def _settle(first: Address, names: Gazetteer) -> Address:
    """Read the normal form again until it stays.

    A strange text may turn in a circle of forms; then the least of the circle is the normal form,
    wherever one enters it.
    """
    seen: dict[str, Address] = {first.normal: first}
    current = first
    while True:
        again = _read(clean(current.normal), names)
        if again.normal == current.normal:
            return replace(again, shop=current.shop)
        if again.normal in seen or len(seen) > ROUNDS:
            circle = list(seen)
            begin = circle.index(again.normal) if again.normal in seen else 0
            return seen[min(circle[begin:])]
        seen[again.normal] = current = again


_N = r"(?:[A-Z]{0,2}(?<![0-9])\d{1,6}[A-Z]?(?![0-9])|[甲乙丙丁戊己庚辛](?=[号栋幢座单梯层室房]))"
_L = r"(?:(?<![A-Z0-9])[A-Z]{1,2})"
# 3号路, 2期, 3坊 are names although they begin with a number.
_NAMED = r"(?!号?(?:路|大街|街|大道|线|横|支)|(?:街区|地块|小区|区|期|坊|巷|弄|组|队))"
_STRUCTURE = re.compile(
    rf"""(?P<grid>\d{{1,4}})号?网格
    |(?:地下|负|(?<![0-9A-Z])-)(?P<below>\d{{1,2}})(?:层|楼|F(?![A-Z0-9]))
    |(?<![0-9A-Z])B(?P<basement>\d)(?:层|楼|F(?![A-Z0-9])|$)
    |(?:(?<![0-9A-Z])(?P<first>\d{{1,4}})[-~](?=\d))?(?:
        (?P<building>{_N}(?:之\d{{1,3}})?|{_L})(?:号?楼栋|号楼|栋|幢|座|\#楼?)
            (?:[之附](?P<building_sub>\d{{1,3}})(?![0-9室房号]))?
        |(?P<unit>{_N}|{_L})(?:单元|梯|号门|门(?![诊牌面市店]))
        |(?P<floor>\d{{1,3}})(?:层|楼|F(?![A-Z0-9])))
    |(?P<shop>{_N})(?:(?P<shop_join>[-~])(?P<shop_sub>\d{{1,6}}))?号?(?:商铺|铺位|铺|档口)(?:之(?P<shop_sub2>\d{{1,3}}))?
    |(?:商铺|铺位|铺)(?P<shop2>{_N})号?(?:之(?P<shop_sub3>\d{{1,3}}))?
    |(?P<room>{_N})(?:(?P<room_join>[-~之附])(?P<room_sub>\d{{1,6}}))?号?(?:室|房(?!产)|户)
        (?:(?:-|之|附)(?P<room_sub2>\d{{1,3}})(?![0-9]))?
    |(?P<door>{_N}){_NAMED}(?:(?P<join>[-~之附])(?P<other>\d{{1,6}}))?号{_NAMED}(?!码头|桥|地铁)
        (?:(?:之|附|附之|-)(?P<sub>\d{{1,3}})号?(?![0-9A-Z栋幢座楼单梯层室房户铺\-]))?
    |(?P<bare>{_N}(?:[-~]{_N}){{0,3}}(?:[之附]\d{{1,3}})?)(?=$|[ ])
    """,
    re.VERBOSE,
)
_WAY = re.compile(
    r"""[^ ]{0,10}?[^ ](?:
        大道|公路|步行街|胡同|[横支]巷
        |路(?!口|段|由)
        |街(?!区|坊|道|口)
        |(?<=\d)(?:号线|巷|弄|坊|区|组|队)
        |巷(?!口)|弄|坊(?![路街])
        |(?:新|老|旧|[东西南北中])?村(?![东西南北中上下一二三四五六七八九十\d]{0,2}(?:路|街|大道)|民?委|口)
        |(?<=[东西南北中上下])区(?=\d|$)
        |道(?=\d|$)
    )""",
    re.VERBOSE,
)
_HINT = re.compile(
    r"(?:旁边?|隔壁|对面|斜对面|附近|门口|内|处|楼下|楼上|路口|路段|交[叉汇]口?处?)$"
)
_CROSSING = re.compile(r"[与和及].*(?:路|街|大道|道|交[汇叉界]).*")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d+(?:街区|地块|小区|区|期|坊|巷|弄|组|队))")
_SUB = re.compile("[之附]")
_BRACKETED = re.compile(r"\(([^()]*)\)?")
_WORDS = {"building": "栋", "unit": "单元", "floor": "层"}
_TAIL = ("building", "unit", "floor", "room")


def _read(text: str, names: Gazetteer) -> Address:
    """Read a clean text once."""
    if is_english(text):
        return Address(
            rest=text, notes=("an address in English is not read: give the Chinese one",)
        )
    text, contacts = without_contacts(text)
    text, hints = _unbracket(text)
    hints = [*contacts, *hints]
    admin, text, notes = _read_admin(text, names)
    reading = _Reading(names)
    for piece in _pieces(text):
        reading.take(piece)
    province, city, district, street, community = admin
    return replace(
        reading.address(),
        province=province,
        city=city,
        district=district,
        street=street,
        community=community,
        hint=" ".join([*hints, *reading.hints]),
        notes=notes,
    )


def _unbracket(text: str) -> tuple[str, list[str]]:
    """Take bracketed hints out; a bracket that holds a building, unit or room is opened instead."""
    hints: list[str] = []

    def judged(match: re.Match[str]) -> str:
        inner = match[1].strip()
        found = _STRUCTURE.fullmatch(inner)
        if found is not None and found.lastgroup != "bare":
            return inner
        hints.append(inner)
        return " "

    text = _BRACKETED.sub(judged, text).replace(")", " ")
    return text.strip(" -~"), [hint for hint in hints if hint]


def _read_admin(text: str, names: Gazetteer) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Read province to community from the beginning; return them, the text left, and notes."""
    given: list[str] = [""] * len(Admin)
    for level in Admin:
        text = text.lstrip(" -~#")
        name, length = names.take(text, level)
        given[level] = name
        text = text[length:]
    filled, note = names.above(given)
    return filled, text.lstrip(" -~"), (note,) if note else ()


class _Piece(NamedTuple):
    """A run of a name, or (when ``found`` is set) a number with the word that says what it is."""

    name: str
    found: re.Match[str] | None


def _pieces(text: str) -> Iterator[_Piece]:
    at = 0
    while at < len(text):
        found = _STRUCTURE.search(text, at)
        begin = found.start() if found else len(text)
        for name in text[at:begin].split(" "):
            if name.strip("-~"):
                yield _Piece(name.strip("-~"), None)
        if found is None:
            return
        yield _Piece("", found)
        at = found.end()


class _Reading:
    """The parts found so far, from left to right."""

    def __init__(self, names: Gazetteer) -> None:
        self._names = names
        self._ways: list[str] = []
        self._parts: dict[str, str] = {}
        self._rest: list[str] = []
        self._shop = False
        self._bare = ""
        self.hints: list[str] = []

    def address(self) -> Address:
        return Address(
            ways=tuple(self._ways),
            rest="".join(self._rest),
            shop=self._shop,
            bare=self._bare,
            **self._parts,  # type: ignore[arg-type]  # the keys are names of text fields
        )

    def take(self, piece: _Piece) -> None:
        if piece.found is None:
            self._name(piece.name)
            return
        kind, values = _kind(piece.found)
        values = self._first_of_range(kind, values)
        if kind == "door":
            self._number(values)
        elif kind == "bare":
            self._bare_numbers(*_SUB.split(values["number"]), written=piece.found[0])
        else:
            self._shop = values.pop("shop", "") == "1" or self._shop
            self._put(kind, values, piece.found[0])

    def _first_of_range(self, kind: str, values: dict[str, str]) -> dict[str, str]:
        """Of 4-5层 or 1206-1208室 keep the first, and say the last as a hint.

        Where the first number is the larger one it is no range: 28-3栋 is the door 28.
        """
        if first := values.pop("first", ""):
            if _is_range(first, values[kind]):
                self.hints.append(f"至{values[kind]}{_WORDS[kind]}")
                return values | {kind: _plain(first)}
            self._bare_numbers(first, written=first)
        last = values.get("room_sub", "")
        if values.pop("room_join", "") == "~" or (last and _is_room_range(values["room"], last)):
            self.hints.append(f"至{last}{'铺' if values.get('shop') else '室'}")
            return values | {"room_sub": ""}
        return values

    def _put(self, kind: str, values: dict[str, str], written: str) -> None:
        """Note a part, unless it is there already: then the text is not understood from here."""
        if kind in self._parts or self._deeper(kind):
            self._rest.append(written.strip(" "))
            return
        self._parts |= {key: value for key, value in values.items() if value}

    def _deeper(self, kind: str) -> bool:
        """Whether a part below this one was read already."""
        order = ("grid", "door", *_TAIL)
        return any(later in self._parts for later in order[order.index(kind) + 1 :])

    def _number(self, values: dict[str, str]) -> None:
        """A number with 号: the door number, or after one of those that follow it the room."""
        tail = any(part in self._parts for part in _TAIL)
        if "door" in self._parts or tail:
            room = {"room": values["door"], "room_sub": values["other"] or values["door_sub"]}
            self._put("room", room, f"{values['door']}号")
            return
        if "estate" in self._parts:
            self._ways.append(self._parts.pop("estate"))
        door, other = values["door"], values["other"]
        is_range = values["join"] == "~" or (
            values["join"] == "-" and other and door.isdigit() and int(other) > int(door)
        )
        self._parts |= {"door": door}
        if other:
            self._parts["door_to" if is_range else "door_sub"] = other
        if values["door_sub"]:
            self._parts["door_sub"] = values["door_sub"]

    def _bare_numbers(self, joined: str, sub: str = "", *, written: str) -> None:
        """Numbers without a word at the end: what they are depends on what stands before them."""
        numbers = joined.replace("~", "-").split("-")
        if len(numbers) > 1 and ("~" in joined or _is_room_range(*numbers[-2:])):
            self._range_of_numbers(numbers, written)
            return
        kinds = self._expected(len(numbers), numbers)
        if len(kinds) < len(numbers) or (sub and kinds[-1] not in {"room", "door"}):
            self._rest.append(written)
            return
        for kind, number in zip(kinds, numbers, strict=True):
            self._parts[kind] = _plain(number) if kind not in {"room", "room_sub"} else number
        if sub:
            self._parts[f"{kinds[-1]}_sub"] = sub
        self._bare = kinds[-1] if len(kinds) == 1 and not sub else ""

    def _range_of_numbers(self, numbers: list[str], written: str) -> None:
        """Numbers without a word whose last two are the ends of a range."""
        *most, last = numbers
        on_road = bool(self._ways) and not {"door", "estate", *_TAIL} & set(self._parts)
        if on_road and len(most) == 1:
            self._parts |= {"door": _plain(most[0]), "door_to": _plain(last)}
            return
        before = len(self._rest)
        self._bare_numbers("-".join(most), written=written)
        if len(self._rest) == before:
            self.hints.append(f"至{last}")

    def _expected(self, count: int, numbers: list[str]) -> tuple[str, ...]:
        """What so many bare numbers are."""
        parts = self._parts
        if "room" in parts:
            sub = count == 1 and "room_sub" not in parts and numbers[0].isdigit()
            return ("room_sub",) if sub and len(numbers[0]) < 4 else ()
        if "unit" in parts or "floor" in parts:
            kinds: tuple[str, ...] = ("room", "room_sub")[:count]
        elif "building" in parts:
            kinds = {1: ("room",), 2: ("unit", "room")}.get(count, ())
        elif "door" in parts or "estate" in parts:
            short = len(numbers[-1]) < 3
            one = ("building",) if "estate" in parts and short else ("room",)
            kinds = {1: one, 2: ("building", "room"), 3: ("building", "unit", "room")}.get(
                count, ()
            )
        elif self._ways:
            first = (("door",), ("door", "room"), ("door", "building", "room"))
            kinds = first[count - 1] if count <= len(first) else ()
        else:
            kinds = ()
        return kinds

    def _name(self, run: str) -> None:
        """A name: roads before a door number, an estate after them, else not understood."""
        run = _LEADING_ZEROS.sub("", run)
        if any(part in self._parts for part in _TAIL):
            self._loose(run)
            return
        if "door" not in self._parts and "estate" not in self._parts:
            run = self._take_ways(run)
        if not run:
            return
        hint = _HINT.match(run)
        if hint is not None and (self._ways or "door" in self._parts):
            self.hints.append(run)
            return
        self._parts["estate"] = self._parts.get("estate", "") + run

    def _loose(self, run: str) -> None:
        (self.hints if _HINT.match(run) else self._rest).append(run)

    def _take_ways(self, run: str) -> str:
        """Take roads, villages and lanes off the beginning; return what is left."""
        while run and len(self._ways) < 4:
            if self._ways and _CROSSING.fullmatch(run):
                self.hints.append(run)
                return ""
            way = self._names.road(run)
            if not way:
                match = _WAY.match(run)
                if match is None:
                    break
                way = match[0]
            self._ways.append(way)
            run = run[len(way) :]
        return run


def _kind(found: re.Match[str]) -> tuple[str, dict[str, str]]:
    """Say what a structural piece is, and its values."""
    group = {key: value or "" for key, value in found.groupdict().items()}
    if group["below"] or group["basement"]:
        return "floor", {"floor": f"-{int(group['below'] or group['basement'])}"}
    for kind in ("grid", "building", "unit", "floor"):
        if group[kind]:
            sub = f"之{group['building_sub']}" if group["building_sub"] else ""
            return kind, {kind: _plain(group[kind]) + sub, "first": group["first"]}
    if shop := group["shop"] or group["shop2"]:
        sub = group["shop_sub"] or group["shop_sub2"] or group["shop_sub3"]
        return "room", {
            "room": shop, "room_sub": sub, "room_join": group["shop_join"], "shop": "1",
        }  # fmt: skip
    if group["room"]:
        sub = group["room_sub"] or group["room_sub2"]
        return "room", {"room": group["room"], "room_sub": sub, "room_join": group["room_join"]}
    if group["door"]:
        values = {"door": _plain(group["door"]), "other": group["other"], "join": group["join"]}
        return "door", values | {"door_sub": group["sub"]}
    return "bare", {"number": group["bare"]}


def _is_range(first: str, last: str) -> bool:
    return first.isdigit() and last.isdigit() and int(last) > int(first)


def _is_room_range(first: str, last: str) -> bool:
    """Whether two numbers are rooms in a row: 1206-1208, and not the room 302-1 or 3-302."""
    return len(first) == len(last) >= 3 and _is_range(first, last)


def _plain(number: str) -> str:
    """Return a number without leading zeros; rooms keep theirs."""
    return re.sub(r"^0+(?=\d)", "", number)
