"""A recording on its whole way: registered, replayed, stored by the real worker."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psycopg

from dev.servers import PrivateMosquitto
from tests.support.servers import Runner, settings

MAPPING = """\
[file]
time = "when"
time_format = "unix"
[gateway]
id = "gw-a"
name = "A"
lon = 114.1
lat = 22.5
[[value]]
column = "a"
device = "dev.{room}"
quantity = "temperature"
kind = "heat"
unit = "K"
interval_s = 1
lon = 114.1
lat = 22.5
"""


async def test_every_good_value_is_stored_once_however_often_it_is_replayed(
    broker: PrivateMosquitto, dsn: str, tmp_path: Path, run_blocktwin: Runner, free_port: int
) -> None:
    data, mapping = tmp_path / "d.csv", tmp_path / "m.toml"
    rows = [f"{1700000000 + n},r{n % 3},{n % 700 + 200}" for n in range(3000)]
    rows[1000] = "1700001000,r1,broken"
    data.write_text("when,room,a\n" + "\n".join(rows) + "\n")
    mapping.write_text(MAPPING)
    register = run_blocktwin("district", "register", str(mapping), str(data), env=settings(dsn))
    assert await asyncio.to_thread(register.wait, 60) == 0
    run_blocktwin("ingest", env=settings(dsn, broker, ingest__http_port=free_port))
    for _ in range(2):
        replay = run_blocktwin(
            "replay", str(data), "--map", str(mapping), "--speed", "max", "--json",
            env=settings(broker=broker, user="gw-a"),
        )  # fmt: skip
        assert await asyncio.to_thread(replay.wait, 60) == 1  # the broken cell
        facts = json.loads(replay.output().strip().splitlines()[-1])
        assert (facts["receipted"], facts["pending"], facts["refused"]) == (2999, 0, 1)
    with psycopg.connect(dsn) as conn:
        found = conn.execute(
            "SELECT count(*), count(DISTINCT series_id), min(value), max(value),"
            " extract(epoch FROM min(observed_at)) FROM reading"
        ).fetchone()
        tally = conn.execute("SELECT sum(stored), sum(duplicates), sum(rejected) FROM tally")
        assert tally.fetchone() == (2999, 2999, 0)
    assert found is not None
    stored, series, low, high, first = found
    assert (stored, series, int(first)) == (2999, 3, 1700000000)
    assert (round(low, 2), round(high, 2)) == (-73.15, 625.85)
