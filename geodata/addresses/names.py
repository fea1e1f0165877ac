"""Names from the province down to the community, and which of them stands at a place of a text.

Published names of Shenzhen's districts and of the streets of Luohu and Longhua are built in; those
of a district in force are added from its spaces (``Gazetteer.with_names``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache


class Admin(IntEnum):
    """Administrative levels, the largest first."""

    PROVINCE = 0
    CITY = 1
    DISTRICT = 2
    STREET = 3
    COMMUNITY = 4


@dataclass(frozen=True, slots=True)
class Name:
    """A name at its level; ``within`` are the names that contain it, the largest first."""

    level: Admin
    name: str
    within: tuple[str, ...] = ()


RENAMED = {"龙华新区": "龙华区", "坪山新区": "坪山区", "光明新区": "光明区"}
"""New areas of Shenzhen that became districts: Longhua and Pingshan 2017, Guangming 2018."""

_PROVINCES = [
    "北京市",
    "天津市",
    "上海市",
    "重庆市",
    "河北省",
    "山西省",
    "辽宁省",
    "吉林省",
    "黑龙江省",
    "江苏省",
    "浙江省",
    "安徽省",
    "福建省",
    "江西省",
    "山东省",
    "河南省",
    "湖北省",
    "湖南省",
    "广东省",
    "海南省",
    "四川省",
    "贵州省",
    "云南省",
    "陕西省",
    "甘肃省",
    "青海省",
    "台湾省",
    "内蒙古自治区",
    "广西壮族自治区",
    "西藏自治区",
    "宁夏回族自治区",
    "新疆维吾尔自治区",
    "香港特别行政区",
    "澳门特别行政区",
]
_MUNICIPALITIES = 4
_DISTRICTS = [
    "罗湖区",
    "福田区",
    "南山区",
    "宝安区",
    "龙岗区",
    "盐田区",
    "龙华区",
    "坪山区",
    "光明区",
    "大鹏新区",
]
_STREETS = {
    "罗湖区": "桂园 黄贝 东门 翠竹 南湖 笋岗 东湖 莲塘 东晓 清水河",
    "龙华区": "观湖 民治 龙华 大浪 福城 观澜",
}
HOME = ("广东省", "深圳市")

_SUFFIXES = {
    Admin.PROVINCE: ("特别行政区", "维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "省"),
    Admin.CITY: ("市",),
    Admin.DISTRICT: ("新区", "区", "县"),
    Admin.STREET: ("街道办事处", "街道办", "街办", "街道", "镇", "乡"),
    Admin.COMMUNITY: ("社区居民委员会", "社区居委会", "社区工作站", "社区", "居委会"),
}
_GENERIC = {
    Admin.PROVINCE: re.compile(r"[一-鿿]{2,3}(?:省|自治区)"),
    Admin.CITY: re.compile(r"[一-鿿]{2,4}?市(?![场政民])"),
    Admin.DISTRICT: re.compile(
        r"[一-鿿]{1,4}?(?:新区|(?<![业小社园片街校厂库住生开商东西南北中新一二三四五六])区|县)"
        r"(?=[一-鿿 ]|$)"
    ),
    Admin.STREET: re.compile(r"[一-鿿]{1,6}?(?:街道办事处|街道办|街办|街道|镇(?!南|北)|乡(?!村))"),
    Admin.COMMUNITY: re.compile(
        r"[一-鿿]{1,8}?(?:社区居民委员会|社区居委会|社区工作站|社区|居委会|村委会)"
    ),
}
# What a name typed without its suffix may not be followed by: 东门 is a street, 东门中路 a road.
_GOES_ON = re.compile(
    r"[东西南北中上下大小新老一二三四五六七八九十0-9]{0,2}(?:路|街|道|巷|里|线|桥)"
)
_ROAD_AHEAD = re.compile(
    r"(?![东西南北中上下大小新老路街道村岭])[^\d ]{2,8}?(?:路|街|大道|巷|村|坊)"
)
_GRID_AHEAD = re.compile(r"\d{1,4}号?网格")
_NO_ALIAS = ("村", "街", "路")
_LONGEST_NAME = 16


class Gazetteer:
    """The names known, by every way they are spelled.

    Attributes:
        home: province and city that a district without them is taken to lie in.
        roads: names of roads, villages and lanes; a text is not cut inside one of them.
    """

    def __init__(
        self,
        names: Iterable[Name],
        *,
        roads: Iterable[str] = (),
        home: tuple[str, str] = HOME,
    ) -> None:
        self.home = home
        self.roads = frozenset(road for road in roads if len(road) > 1)
        self._names = tuple(dict.fromkeys(names))
        self._full: dict[str, list[Name]] = {}
        self._bare: dict[str, list[Name]] = {}
        for name in self._names:
            self._full.setdefault(name.name, []).append(name)
            stem = stem_of(name.level, name.name)
            if len(stem) >= 2 and stem != name.name and not stem.endswith(_NO_ALIAS):
                self._bare.setdefault(stem, []).append(name)

    def with_names(self, names: Iterable[Name], roads: Iterable[str]) -> Gazetteer:
        """Return one that knows these as well."""
        return Gazetteer((*self._names, *names), roads=(*self.roads, *roads), home=self.home)

    def named(self, level: Admin, name: str) -> list[Name]:
        """Return what bears this full name at this level."""
        return [one for one in self._full.get(name, ()) if one.level is level]

    def of(self, level: Admin) -> list[str]:
        """Return all full names of a level."""
        return [one.name for one in self._names if one.level is level]

    def take(self, text: str, level: Admin) -> tuple[str, int]:
        """Read a name of this level at the beginning of a text.

        Returns the full name and how many characters of the text it takes; ("", 0) if none.
        """
        if any(text.startswith(road) for road in self._roads_at(text)):
            return "", 0
        found = self._take_full(text, level)
        if not found[1]:
            found = self._take_generic(text, level)
        if not found[1]:
            found = self._take_bare(text, level)
        return found

    def _roads_at(self, text: str) -> list[str]:
        return [text[:n] for n in range(_LONGEST_NAME, 1, -1) if text[:n] in self.roads]

    def road(self, text: str) -> str:
        """Return the longest known road that a text begins with, "" if there is none."""
        return next(iter(self._roads_at(text)), "")

    def _take_full(self, text: str, level: Admin) -> tuple[str, int]:
        for old, new in RENAMED.items():
            if level is Admin.DISTRICT and text.startswith(old):
                return new, len(old)
        for length in range(min(_LONGEST_NAME, len(text)), 1, -1):
            stem = text[:length]
            if stem in self._full and self.named(level, stem):
                return stem, length + _office(text[length:], level)
        return "", 0

    def _take_generic(self, text: str, level: Admin) -> tuple[str, int]:
        match = _GENERIC[level].match(text)
        if match is None or len(match[0]) > _LONGEST_NAME:
            return "", 0
        word = match[0]
        suffix = _written_suffix(level, word)
        stem = word.removesuffix(suffix)
        known = [n.name for n in self._bare.get(stem, ()) if n.level is level]
        return (known[0] if known else _standard(level, stem, suffix)), len(word)

    def _take_bare(self, text: str, level: Admin) -> tuple[str, int]:
        longest = next(
            (n for n in range(min(_LONGEST_NAME, len(text)), 1, -1) if text[:n] in self._bare), 0
        )
        found = [n for n in self._bare.get(text[:longest], ()) if n.level is level]
        if not found or any(text.startswith(full) for full in self._full_at(text, longest)):
            return "", 0
        return (found[0].name, longest) if self._ends(text[longest:]) else ("", 0)

    def _full_at(self, text: str, more_than: int) -> list[str]:
        return [text[:n] for n in range(more_than + 1, _LONGEST_NAME) if text[:n] in self._full]

    def _ends(self, rest: str) -> bool:
        """Whether a name without suffix may end where ``rest`` begins."""
        if not rest or rest[0] == " ":
            return True
        if _GRID_AHEAD.match(rest):
            return True
        if _GOES_ON.match(rest):
            return False
        for length in range(min(_LONGEST_NAME, len(rest)), 1, -1):
            if rest[:length] in self._full or rest[:length] in self._bare:
                return True
        return bool(self._roads_at(rest)) or _ROAD_AHEAD.match(rest) is not None

    def above(self, given: Sequence[str]) -> tuple[tuple[str, ...], str]:
        """Fill in what contains the smallest name given.

        Args:
            given: province, city, district, street, community; empty where not said.

        Returns the five names filled in as far as they are sure, and a note, "" when nothing is to
        be said: that a home was assumed, or that two names do not go together.
        """
        filled = list(given)
        known = [level for level in Admin if given[level] and self.named(level, given[level])]
        if not known:
            return tuple(filled), ""
        deepest = known[-1]
        named = self.named(deepest, given[deepest])
        fitting = [n for n in named if all(not given[i] or given[i] == w for i, w in _within(n))]
        if named and not fitting:
            return tuple(filled), f"{given[deepest]} lies in {''.join(named[0].within)}"
        at_home = [n for n in fitting if n.within[:2] == self.home] or fitting
        if len(at_home) != 1:
            return tuple(filled), ""
        for level, name in _within(at_home[0]):
            filled[level] = name
        return tuple(filled), ""


def stem_of(level: Admin, name: str) -> str:
    """Return a name without its suffix; municipalities and others without one stay as they are."""
    return name.removesuffix(_written_suffix(level, name))


def _written_suffix(level: Admin, name: str) -> str:
    return next((s for s in _SUFFIXES[level] if name.endswith(s) and name != s), "")


def _office(rest: str, level: Admin) -> int:
    """Length of 办事处, 居委会 and the like right after a full name."""
    words = {
        Admin.STREET: ("办事处", "办"),
        Admin.COMMUNITY: ("居民委员会", "居委会", "工作站", "委员会"),
    }.get(level, ())
    return next((len(word) for word in words if rest.startswith(word)), 0)


def _standard(level: Admin, stem: str, suffix: str) -> str:
    """Spell an unknown name with the usual suffix: 某某街道办事处 is 某某街道."""
    usual = {Admin.STREET: "街道", Admin.COMMUNITY: "社区"}
    return stem + (usual[level] if level in usual and suffix not in "镇乡村委会" else suffix)


def _within(name: Name) -> list[tuple[Admin, str]]:
    return [(level, one) for level, one in zip(Admin, name.within, strict=False) if one]


@cache
def built_in() -> Gazetteer:
    """Return the gazetteer of published names."""
    names = [
        Name(Admin.CITY if i < _MUNICIPALITIES else Admin.PROVINCE, name)
        for i, name in enumerate(_PROVINCES)
    ]
    names.append(Name(Admin.CITY, HOME[1], HOME[:1]))
    # Haikou has a 龙华区 as well: without a city it is the one at home.
    names.append(Name(Admin.CITY, "海口市", ("海南省",)))
    names.append(Name(Admin.DISTRICT, "龙华区", ("海南省", "海口市")))
    names += [Name(Admin.DISTRICT, district, HOME) for district in _DISTRICTS]
    for district, streets in _STREETS.items():
        names += [
            Name(Admin.STREET, f"{street}街道", (*HOME, district)) for street in streets.split()
        ]
    return Gazetteer(names)
