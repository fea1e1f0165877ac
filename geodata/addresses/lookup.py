"""A table of names that finds exact, begun, contained and misspelled ones, each with a likeness.

Misspelled is one wrong, missing or added character (two in long names), found by shared pairs of
characters and then by edit distance. Numbers in a name are never misspelled: 3栋 is not 13栋.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IX = npt.NDArray[np.int32]

STEM = 0.95
BEGINNING = 0.75
CONTAINED = 0.7
ENDING = 0.85
"""Likeness of a name without its suffix, begun, contained (the share typed adds up to 0.2), and of
one that the text ends with: 长岭泰庭村 for 泰庭村."""

_SUFFIX = re.compile(
    r"(?<=..)(?:大道|公路|步行街|小区|花园|大厦|广场|社区|街道|公寓|家园|新村|路|街|巷|村|苑|园)$"
)
_NUMBERS = re.compile(r"\d+|[A-Z]+")
_BEGINNINGS = 40
_ALIKE = 16
_COMMON = 10
_LEAST_SHARED = 0.3
_MANY = 1000
_LOOKED_INTO = 3000
_NOBODY: IX = np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Found:
    """A name found: its number in the table and its likeness, 0 to 1 (1 is the same)."""

    index: int
    likeness: float


class NameTable:
    """Names without doubles; ``names[i]`` is the one with number i."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(dict.fromkeys(names))
        self._exact = {name: i for i, name in enumerate(self.names)}
        self._stems: dict[str, list[int]] = {}
        for i, name in enumerate(self.names):
            if (stem := _SUFFIX.sub("", name)) != name:
                self._stems.setdefault(stem, []).append(i)
        self._sorted = sorted(range(len(self.names)), key=self.names.__getitem__)
        self._spelled = [self.names[i] for i in self._sorted]
        self._sizes = np.array([len(_pairs(name)) for name in self.names], dtype=np.int32)
        self._holders = _holders(self.names)

    def index(self, name: str) -> int:
        """Return the number of a name, -1 if it is not there."""
        return self._exact.get(name, -1)

    def search(self, text: str, *, begin: bool = True, alike: bool = True) -> list[Found]:
        """Return names like ``text``, the most alike first; each at most once.

        Args:
            text: what was typed.
            begin: whether names that only begin with it or contain it count.
            alike: whether misspelled ones are looked for; they are only where nothing is exact.
        """
        if not text or not self.names:
            return []
        best: dict[int, float] = {}
        for index, likeness in self._like(text, begin=begin, alike=alike):
            best[index] = max(best.get(index, 0.0), likeness)
        found = [Found(index, likeness) for index, likeness in best.items()]
        return sorted(found, key=lambda f: (-f.likeness, len(self.names[f.index]), f.index))

    def _like(self, text: str, *, begin: bool, alike: bool) -> Iterator[tuple[int, float]]:
        exact = self._exact.get(text)
        if exact is not None:
            yield exact, 1.0
        for index in self._stems.get(text, ()):
            yield index, STEM
        if (stem := _SUFFIX.sub("", text)) != text and stem in self._exact:
            yield self._exact[stem], STEM
        for start in range(1, len(text) - 1):
            if (ending := self._exact.get(text[start:])) is not None:
                yield ending, ENDING
        if begin:
            yield from self._beginning(text)
        if begin and len(text) > 1:
            yield from self._containing(text)
        if alike and exact is None and len(text) > 1:
            yield from self._misspelled(text)

    def _beginning(self, text: str) -> Iterator[tuple[int, float]]:
        """The first names that begin with the text, the shortest preferred among the next few."""
        at = bisect_left(self._spelled, text)
        for place in range(at, min(at + _BEGINNINGS, len(self._spelled))):
            name = self._spelled[place]
            if not name.startswith(text):
                return
            yield self._sorted[place], BEGINNING + 0.2 * len(text) / len(name)

    def _containing(self, text: str) -> Iterator[tuple[int, float]]:
        """Names that contain the text, looked for among those with its rarest pair."""
        inner = [text[i : i + 2] for i in range(len(text) - 1)]
        lists = [self._holders.get(pair, _NOBODY) for pair in inner]
        found = 0
        for index in min(lists, key=len)[:_LOOKED_INTO].tolist():
            name = self.names[index]
            if text in name and name != text:
                yield index, CONTAINED + 0.2 * len(text) / len(name)
                found += 1
                if found == _BEGINNINGS:
                    return

    def _misspelled(self, text: str) -> Iterator[tuple[int, float]]:
        pairs = _pairs(text)
        lists = [self._holders[p] for p in pairs if p in self._holders]
        if len(self.names) > _MANY:
            rare = [ids for ids in lists if len(ids) * _COMMON < len(self.names)]
            lists = rare or sorted(lists, key=len)[:2]
        if not lists:
            return
        shared = np.bincount(np.concatenate(lists), minlength=len(self.names))
        likeness = 2.0 * shared / (len(pairs) + self._sizes)
        likeness[likeness < _LEAST_SHARED] = 0
        top = np.argsort(-likeness, kind="stable")[:_ALIKE]
        for index in top[likeness[top] > 0].tolist():
            name = self.names[index]
            if (score := likeness_of(text, name)) > 0:
                yield index, score


def likeness_of(typed: str, name: str) -> float:
    """Return how alike two names are: 0 when they differ in a number or by too many characters.

    Example:
        >>> round(likeness_of("文景中路", "文锦中路"), 2), likeness_of("3栋", "13栋")
        (0.78, 0.0)
    """
    longer = max(len(typed), len(name))
    allowed = 1 if longer < 7 else 2
    if abs(len(typed) - len(name)) > allowed or longer < 3:
        return 0.0
    if _NUMBERS.findall(typed) != _NUMBERS.findall(name):
        return 0.0
    edits = distance(typed, name, allowed)
    return 1.0 - 0.9 * edits / longer if edits <= allowed else 0.0


def distance(a: str, b: str, most: int) -> int:
    """Return how many characters are changed, added, left out or exchanged with their neighbour.

    A number above ``most`` only says that it is more.
    """
    begin = 0
    while begin < min(len(a), len(b)) and a[begin] == b[begin]:
        begin += 1
    end = 0
    while end < min(len(a), len(b)) - begin and a[-1 - end] == b[-1 - end]:
        end += 1
    a, b = a[begin : len(a) - end], b[begin : len(b) - end]
    if max(len(a), len(b)) > most + 2:
        return most + 1
    return _edits(a, b)


def _edits(a: str, b: str) -> int:
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        above, row = row, [i] + [0] * len(b)
        for j, y in enumerate(b, start=1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                row[j] = min(row[j], before[j - 2] + 1)
        before = above
    return row[-1]


def _pairs(name: str) -> set[str]:
    padded = f"^{name}$"
    return {padded[i : i + 2] for i in range(len(padded) - 1)}


def _holders(names: list[str]) -> dict[str, IX]:
    lists: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        for pair in _pairs(name):
            lists.setdefault(pair, []).append(i)
    return {pair: np.array(ids, dtype=np.int32) for pair, ids in lists.items()}
