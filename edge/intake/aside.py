"""What could not become a reading: counted by cause, and kept in a file of bounded size.

One JSON object a line, ``aside.jsonl`` beside the spool; when it is full it becomes
``aside.jsonl.1`` and a new one begins. A message is acknowledged after its lines are on disk, as
its readings are.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge.intake.words import COUNTED_ONLY, Aside, Door

_LOG = logging.getLogger(__name__)
ASIDE_FILE = "aside.jsonl"


class AsideFile:
    """Where asides go.

    Attributes:
        counts: (door, cause) -> how many since the start.
        unwritten: lines that the disk did not take; counted and gone.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most = most_bytes
        self._failing = False
        self.counts: Counter[tuple[Door, str]] = Counter()
        self.unwritten = 0

    def count(self, door: Door, asides: Sequence[Aside]) -> None:
        """Count asides; the first of each cause is logged."""
        for aside in asides:
            place = (door, aside.why.value)
            if not self.counts[place]:
                _LOG.log(
                    logging.DEBUG if aside.why in COUNTED_ONLY else logging.WARNING,
                    "%s: the first of the kind %s: device %r, key %r: %s",
                    door,
                    aside.why,
                    aside.device,
                    aside.key,
                    aside.detail,
                )
            self.counts[place] += 1

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines and return when they are on disk; blocks, so call it in a thread.

        A disk that takes nothing is logged once: what could be a reading goes before.
        """
        try:
            self._append(b"".join(lines))
        except OSError as error:
            self.unwritten += len(lines)
            if not self._failing:
                _LOG.error("%s cannot be written: %s", self._path, error)
            self._failing = True
        else:
            if self._failing:
                _LOG.info("%s can be written again", self._path)
            self._failing = False

    def _append(self, data: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if size >= self._most:
            self._path.replace(self._path.with_name(self._path.name + ".1"))


def lines_of(
    door: Door, topic: str, payload: bytes, asides: Sequence[Aside], now_s: float
) -> list[bytes]:
    """Return the lines of one message: each aside that is a loss, the payload with the first."""
    kept = [aside for aside in asides if aside.why not in COUNTED_ONLY]
    lines = []
    for place, aside in enumerate(kept):
        line: dict[str, object] = {
            "at": round(now_s, 3),
            "door": door.value,
            "why": aside.why.value,
            "device": aside.device,
            "key": aside.key,
            "detail": aside.detail,
        }
        if place == 0:
            line |= {"topic": topic, "payload": payload}
        lines.append(msgspec.json.encode(_sayable(line)) + b"\n")
    return lines


def _sayable(line: dict[str, object]) -> dict[str, object]:
    """Return a line without half surrogate pairs, which have no UTF-8."""
    return {
        key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for key, value in line.items()
    }
