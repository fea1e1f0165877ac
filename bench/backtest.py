"""How long a back-test takes: a rule and the one in force over stored readings.

Builds a store of `--series` series that report every `--interval` seconds for `--days` days, in the
order in which a worker would have stored them, and tries a changed rule against the one in force.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# Run as a script, this folder would stand first and hide packages behind files of the same name.
ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import numpy as np  # noqa: E402
import psycopg  # noqa: E402

from alerts import rulebook, rulestore  # noqa: E402
from alerts.backtest.run import Request, backtest  # noqa: E402
from core.db.migrate import upgrade  # noqa: E402
from dev.servers import PrivatePostgres  # noqa: E402

SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
"""Those after the first only make the building quicker."""

RULE = """
[[rule]]
id = "water-logging"
name = {{ zh = "道路积水", en = "Waterlogged road" }}
field = "water"
select = {{ kind = ["waterlogging"], quantity = "depth" }}
type = "{type}"
levels = [
    {{ severity = "blue", raise = {blue}, clear = {clear} }},
    {{ severity = "orange", raise = 0.40, clear = 0.38 }},
]
dwell_s = {dwell}
clear_dwell_s = 600
{more}
advice = {{ zh = "安排抽排", en = "Pump" }}
source = "editable seed"
"""
MORE = {"high": "", "rise": "window_s = 7200"}
EPOCH_2000_US = 946_684_800_000_000
ROW = np.dtype(
    [
        ("columns", ">i2"),
        ("b1", ">i4"), ("series", ">i4"),
        ("b2", ">i4"), ("at", ">i8"),
        ("b3", ">i4"), ("received", ">i8"),
        ("b4", ">i4"), ("value", ">f8"),
        ("b5", ">i4"), ("quality", ">i4"),
    ]
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--interval", type=int, default=600, help="seconds between two readings")
    parser.add_argument("--types", default="high,rise", help="types of rule that are tried")
    given = parser.parse_args()
    said = measure(
        series=given.series,
        days=given.days,
        interval_s=given.interval,
        types=given.types.split(","),
    )
    for one in said["rules"]:
        print(
            f"{one['type']}: {one['readings']:,} readings of {said['series']} series over "
            f"{said['days']} days, every {said['interval_s']} s: {one['seconds']} s "
            f"({one['cpu_s']} s of processor time), "
            f"{one['alarms']} alarms against {one['alarms_in_force']} in force"
        )
    print(json.dumps(said))


def measure(
    *,
    series: int = 1000,
    days: int = 30,
    interval_s: int = 600,
    types: Sequence[str] = ("high", "rise"),
) -> dict[str, Any]:
    """Build the store, try each rule against the one in force, and say how long that took."""
    with tempfile.TemporaryDirectory(prefix="blocktwin-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = PrivatePostgres(folder / "postgres", settings=SETTINGS)
        postgres.start()
        try:
            dsn = postgres.create_database("backtest", "template0")
            with (
                psycopg.connect(dsn, autocommit=True) as conn,
                psycopg.connect(dsn, autocommit=True) as beside,
            ):
                begun = time.monotonic()
                end = _build(conn, series, days, interval_s)
                built_s = time.monotonic() - begun
                since = end - timedelta(days=days)
                rules = [_tried(conn, beside, which, since, end) for which in types]
        finally:
            postgres.stop()
    return {
        "series": series,
        "days": days,
        "interval_s": interval_s,
        "rules": rules,
        "built_s": round(built_s, 1),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def _tried(
    conn: psycopg.Connection[Any],
    beside: psycopg.Connection[Any],
    which: str,
    since: datetime,
    until: datetime,
) -> dict[str, Any]:
    """Put a rule in force and try a changed one against it."""
    now = _rule(which, blue=0.17, clear=0.15, dwell=0)
    rulestore.put(conn, rulebook.text(now, "bench").rules, author="bench", note="in force")
    changed = _rule(which, blue=0.15, clear=0.13, dwell=600)
    used_s = _cpu_s(conn, beside)
    answer = backtest(conn, Request(since=since, until=until, toml=changed), beside=beside)
    return {
        "type": which,
        "readings": answer.readings,
        "seconds": answer.seconds,
        "cpu_s": round(_cpu_s(conn, beside) - used_s, 1),
        "alarms": answer.candidate.alarms,
        "alarms_in_force": answer.in_force.alarms if answer.in_force else None,
    }


def _cpu_s(*conns: psycopg.Connection[Any]) -> float:
    """Return the processor seconds that this process and its database backends have used."""
    ticks = 0
    for conn in conns:
        stat = Path(f"/proc/{conn.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(stat[11]) + int(stat[12])  # utime and stime, proc(5)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _rule(which: str, *, blue: float, clear: float, dwell: int) -> str:
    """Return a rule on the depth, or on how many metres a minute it rises by."""
    text = RULE.format(type=which, blue=blue, clear=clear, dwell=dwell, more=MORE[which])
    if which == "rise":
        for number in (blue, clear, 0.40, 0.38):
            text = text.replace(f"= {number:g}", f"= {number / 60:.6f}")
    return text


def _build(conn: psycopg.Connection[Any], series: int, days: int, interval_s: int) -> datetime:
    """Fill the store; return the end of the readings."""
    upgrade(conn)
    conn.execute("INSERT INTO gateway (gateway_id, name, lon, lat) VALUES ('g', 'g', 114, 22.5)")
    conn.execute(
        "INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id, interval_s,"
        " placed_how) SELECT 'd' || n, 'waterlogging', 'water', 'd' || n, 114 + n * 1e-4, 22.5,"
        " 'g', %s, 'unplaced' FROM generate_series(1, %s) n",
        (interval_s, series),
    )
    conn.execute("INSERT INTO series (device_id, quantity) SELECT device_id, 'depth' FROM device")
    ids = [row[0] for row in conn.execute("SELECT series_id FROM series ORDER BY series_id")]
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    chance = np.random.default_rng(1)
    for day in range(days):
        begin = end - timedelta(days=days - day)
        _store(conn, np.array(ids), begin, interval_s, chance)
    conn.execute("ANALYZE reading")
    return end


def _store(
    conn: psycopg.Connection[Any],
    ids: np.typing.NDArray[np.int64],
    begin: datetime,
    interval_s: int,
    chance: np.random.Generator,
) -> None:
    """Store one day: dry, with a storm of its own for one gauge in ten."""
    steps = 86_400 // interval_s
    at_s = np.arange(steps) * interval_s
    peak = np.where(chance.random(len(ids)) < 0.1, chance.uniform(0.1, 0.5, len(ids)), 0.0)
    middle = chance.uniform(0, 86_400, len(ids))
    depth = peak * np.exp(-(((at_s[:, None] - middle) / 3600) ** 2))
    depth += chance.normal(0, 0.005, depth.shape)
    table = np.zeros(depth.size, dtype=ROW)
    table["columns"] = 5
    for name, width in (("b1", 4), ("b2", 8), ("b3", 8), ("b4", 8), ("b5", 4)):
        table[name] = width
    begin_us = round(begin.timestamp() * 1e6) - EPOCH_2000_US
    table["series"] = np.tile(ids, steps)
    table["at"] = begin_us + np.repeat(at_s, len(ids)) * 1_000_000
    table["received"] = table["at"]
    table["value"] = np.maximum(depth, 0).ravel()
    statement = (
        "COPY reading (series_id, observed_at, received_at, value, quality)"
        " FROM STDIN (FORMAT binary)"
    )
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\x00" + bytes(8) + table.tobytes() + b"\xff\xff")


if __name__ == "__main__":
    main()
