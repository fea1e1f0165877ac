"""The figures of a run as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PROCESSES = ("publisher", "broker", "worker", "database", "sum")
_NONE = "-"


def render(result: Mapping[str, Any]) -> str:
    """Return all tables that the result has figures for."""
    blocks = [_run(result)]
    for part, make in (("rates", _rates), ("paced", _paced), ("outage", _outage), ("keys", _keys)):
        if part in result:
            blocks.append("\n".join(make(result[part])))
    return "\n\n".join(blocks)


def grid(head: Sequence[str], lines: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield a table; the first column to the left, the others to the right."""
    cells = [list(map(str, head)), *[[_shown(cell) for cell in line] for line in lines]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *rest]) if first else ""


def _shown(cell: object) -> str:
    if cell is None:
        return _NONE
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def _run(result: Mapping[str, Any]) -> str:
    settings = "  ".join(f"{name}={value}" for name, value in result["postgres"].items())
    size = "QUICK RUN: the figures show that it runs, and nothing else" if result["quick"] else ""
    lines = [
        f"{result['devices']:,} devices, {result['cores']} cores, default rules on, QoS 1",
        f"PostgreSQL: {settings}",
        f"load average at the start {result['load_average']}; ratios hold from machine to machine",
        size,
    ]
    return "\n".join(line for line in lines if line)


def _rates(rates: Mapping[str, Any]) -> Iterator[str]:
    yield "As fast as it goes: readings/s (median of the rounds), CPU s per 100,000 readings"
    names = {
        "generator": "generator alone, nobody listens",
        "broker": "raw broker, pub to sub",
        "naive": "naive: paho, INSERT, commit each",
        "singles": "blocktwin, 1 reading a message",
        "copy": "raw binary COPY",
        "packs": "blocktwin, 100 readings a message",
    }
    lines = [
        [title, rates[name]["per_s"]]
        + [rates[name]["cpu_s_per_100k"].get(process) for process in PROCESSES]
        for name, title in names.items()
    ]
    yield from grid(["", "per s", *PROCESSES], lines)
    yield ""
    packs = rates["packs"]["cpu_s_per_100k"]["sum"]
    verdicts = [
        ["singles / broker", rates["singles_of_broker"], ">= 0.6"],
        ["packs / COPY", rates["packs_of_copy"], ">= 0.4"],
        ["packs, CPU s per 100k in all", packs, "<= 1.5"],
        ["singles / naive", rates["singles_of_naive"], ""],
        ["lost", rates["lost"], "0"],
    ]
    yield from grid(["", "measured", "budget"], verdicts)


def _paced(paced: Mapping[str, Any]) -> Iterator[str]:
    yield "At a steady pace of single-reading messages; milliseconds from the device time"
    head = [
        "asked/s", "sent/s", "lost", "commit p50", "p99", "worker says p99", "alarms",
        "commit p50", "p99", "heard p50", "p99", "cores", "worker MB", "generator late p99",
    ]  # fmt: skip
    lines = []
    for run in paced.values():
        alarm = run["alarm"]
        lines.append(
            [
                run["asked_per_s"],
                run["sent_per_s"],
                run["lost"],
                *_two(run["commit_ms"]),
                run["worker_says_commit_ms"].get("p99"),
                f"{alarm['raised']}/{alarm['sent']}",
                *_two(alarm["commit_ms"]),
                *_two(alarm["heard_ms"]),
                run["cores"],
                run["worker_mb"],
                run["generator_late_ms"].get("p99"),
            ]
        )
    yield from grid(head, lines)
    yield "cores: broker + worker + database, without the generator"
    yield "budgets at 24,000/s: commit p99 <= 150, alarm committed p99 <= 1,000, cores <= 1, lost 0"
    for run in paced.values():
        if run["sent_per_s"] < 0.99 * run["asked_per_s"]:
            yield f"the generator could not keep {run['asked_per_s']:,}/s: {run['sent_per_s']:,}/s"


def _two(figures: Mapping[str, float]) -> list[float | None]:
    return [figures.get("p50"), figures.get("p99")]


def _outage(outage: Mapping[str, Any]) -> Iterator[str]:
    yield "After an outage; budgets: caught up <= 60 s, lost 0, worker <= 300 MB, alarms <= 1 s"
    head = [
        "killed", "for s", "sent", "queued", "caught up s", "lost", "sent twice",
        "worker MB peak", "broker MB peak", "alarm heard p50 ms", "p99",
    ]  # fmt: skip
    lines = [
        [
            victim,
            run["seconds"],
            run["sent"],
            run["queued"],
            run["caught_up_s"] if run["caught_up_s"] is not None else "not in time",
            run["lost"],
            run["duplicates"],
            run["worker_mb_peak"],
            run["broker_mb_peak"],
            *_two(run["alarms_after_return"]["heard_ms"]),
        ]
        for victim, run in outage.items()
    ]
    yield from grid(head, lines)
    yield "alarm heard: of readings sent after the return, while the backlog was being stored"


def _keys(keys: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"The unique key: {keys['rows']:,} rows of {keys['series']:,} series by COPY of"
        f" {keys['batch']:,}; then an hour of one series"
    )
    head = [
        "key, arrival", "COPY rows/s", "WAL B/row", "B/row", "of it index", "series-hour ms",
        "pages",
    ]  # fmt: skip
    titles = {
        "series_time_ordered": "(series, time), ordered",
        "series_time_unrelated": "(series, time), unrelated",
        "time_series_ordered": "(time, series), ordered",
        "time_series_unrelated": "(time, series), unrelated",
    }
    lines = [
        [
            title,
            keys[name]["copy_per_s"],
            keys[name]["wal_bytes_a_row"],
            keys[name]["bytes_a_row"],
            keys[name]["index_bytes_a_row"],
            keys[name]["series_hour"]["ms_p50"],
            keys[name]["series_hour"]["pages"],
        ]
        for name, title in titles.items()
    ]
    yield from grid(head, lines)
