"""The status line at a terminal and in a log."""

from __future__ import annotations

import io

from dev.status import Sample, StatusLine, render


def sample(elapsed_s: float, *, p99_ms: float | None = 12.0) -> Sample:
    return Sample(elapsed_s=elapsed_s, per_s=120.0, stored=1234, rejected=5, open=6, p99_ms=p99_ms)


def test_before_anything_was_measured_there_is_a_dash() -> None:
    assert render(sample(3, p99_ms=None)).endswith("p99 –")


def test_elsewhere_than_at_a_terminal_a_line_comes_every_five_seconds() -> None:
    stream = io.StringIO()
    line = StatusLine(stream, terminal=False)
    for second in range(1, 12):
        line.show(sample(second))
    shown = stream.getvalue().splitlines()
    assert [text[:5] for text in shown] == ["00:01", "00:06", "00:11"]
    assert "\x1b" not in stream.getvalue()


def test_at_a_terminal_one_line_renews_itself() -> None:
    stream = io.StringIO()
    line = StatusLine(stream, terminal=True)
    line.show(sample(1))
    line.show(sample(2))
    assert stream.getvalue().count("\r") == 2
    assert "\n" not in stream.getvalue()


def test_a_message_does_not_run_into_the_line() -> None:
    stream = io.StringIO()
    line = StatusLine(stream, terminal=True)
    line.show(sample(1))
    line.say("Stopping")
    line.say("done")
    assert stream.getvalue().endswith("\nStopping\ndone\n")
