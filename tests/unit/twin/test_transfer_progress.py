from __future__ import annotations

import io

from twin.history.transfer_progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_log_hears_of_it_now_and_then() -> None:
    out, clock = io.StringIO(), Clock()
    progress = Progress(out, clock)
    for _ in range(25):
        clock.now += 1
        progress.tell(round((clock.now - 100) * 1000), ", 3 of 7 series")
    progress.end()
    assert out.getvalue().splitlines() == [
        "10,000 rows, 1,000/s, 3 of 7 series",
        "20,000 rows, 1,000/s, 3 of 7 series",
    ]


def test_a_terminal_has_one_line_that_is_gone_at_the_end() -> None:
    out, clock = Terminal(), Clock()
    progress = Progress(out, clock)
    clock.now += 0.1
    progress.tell(1)
    assert out.getvalue() == ""
    clock.now += 0.9
    progress.tell(2500)
    assert out.getvalue() == "\r\x1b[K2,500 rows, 2,500/s"
    progress.end()
    progress.end()
    assert out.getvalue().endswith("2,500/s\r\x1b[K")
    assert progress.seconds == 1.0
