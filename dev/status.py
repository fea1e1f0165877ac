"""Show how a run goes: one line that renews itself at a terminal, a line every 5 s elsewhere."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TextIO

_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How the run stands; ``p99_ms`` is None until something was measured."""

    elapsed_s: float
    per_s: float
    stored: int
    rejected: int
    open: int
    p99_ms: float | None


def render(sample: Sample) -> str:
    """Return the status line.

    Example:
        >>> render(Sample(elapsed_s=65, per_s=152.4, stored=9000, rejected=3, open=7, p99_ms=84.2))
        '01:05  152 readings/s  stored 9,000  rejected 3  open alarms 7  reading→commit p99 84 ms'
    """
    minutes, seconds = divmod(int(sample.elapsed_s), 60)
    p99 = "–" if sample.p99_ms is None else f"{sample.p99_ms:.0f} ms"
    return (
        f"{minutes:02}:{seconds:02}  {sample.per_s:,.0f} readings/s  stored {sample.stored:,}  "
        f"rejected {sample.rejected:,}  open alarms {sample.open:,}  reading→commit p99 {p99}"
    )


@dataclass(slots=True)
class StatusLine:
    """Writes samples and messages to a stream so that neither spoils the other."""

    stream: TextIO
    terminal: bool
    _shown: bool = field(default=False)
    _last_s: float = field(default=float("-inf"))

    def show(self, sample: Sample) -> None:
        """Show a sample; not at a terminal, at most one every 5 s is written."""
        if self.terminal:
            width = shutil.get_terminal_size().columns
            self.stream.write("\r\x1b[2K" + render(sample)[: width - 1])
            self._shown = True
        elif sample.elapsed_s - self._last_s >= _EVERY_S:
            self._last_s = sample.elapsed_s
            self.stream.write(render(sample) + "\n")
        self.stream.flush()

    def say(self, text: str) -> None:
        """Write a message on a line of its own."""
        if self._shown:
            self.stream.write("\n")
            self._shown = False
        self.stream.write(text + "\n")
        self.stream.flush()
