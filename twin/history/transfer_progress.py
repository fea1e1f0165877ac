"""How far a transfer is: a line on standard error now and then, rewritten on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

_TERMINAL_S = 0.5
_LOG_S = 10.0


@dataclass(slots=True)
class Progress:
    """Says how many rows have passed and how fast.

    Attributes:
        out: where the lines go.
        clock: seconds, monotonic.
    """

    out: IO[str]
    clock: Callable[[], float]
    _begun: float = field(init=False)
    _told: float = field(init=False)
    _open_line: bool = False

    def __post_init__(self) -> None:
        """Start the clock."""
        self._begun = self._told = self.clock()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self.clock() - self._begun

    def tell(self, rows: int, more: str = "") -> None:
        """Note that ``rows`` have passed in all; speaks if it is time to."""
        now = self.clock()
        on_terminal = self.out.isatty()
        if now - self._told < (_TERMINAL_S if on_terminal else _LOG_S):
            return
        self._told = now
        text = f"{rows:,} rows, {self.rate(rows):,.0f}/s{more}"
        self.out.write(f"\r\x1b[K{text}" if on_terminal else f"{text}\n")
        self.out.flush()
        self._open_line = on_terminal

    def rate(self, rows: int) -> float:
        """Return rows a second since the start."""
        return rows / max(self.seconds, 1e-6)

    def end(self) -> None:
        """Clear the line, if there is one."""
        if self._open_line:
            self.out.write("\r\x1b[K")
            self.out.flush()
            self._open_line = False
