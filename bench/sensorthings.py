"""How long SensorThings answers take: the newest of everything, and pages of Observations.

A store of 20,000 Datastreams with a few readings each and one with many, and a real `blocktwin
serve` on loopback. Each question is asked anew over one connection and timed from the request to
the last byte; nothing is kept but what the API itself keeps of the registry. `measure` is for
bench/map.py. Run alone it prints one JSON object.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

# Run as a script, this folder would stand first and hide packages behind files of the same name.
ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import psycopg  # noqa: E402

from bench.ground import Sizes, ground, say, wait  # noqa: E402
from bench.table import grid  # noqa: E402
from core.db.migrate import upgrade  # noqa: E402
from dev.places import free_port  # noqa: E402
from dev.processes import Child, Command  # noqa: E402
from twin.operators import Role, add  # noqa: E402

SERIES = 20_000
LONG = 100_000
"""Observations of the one Datastream that is paged through."""
ROUNDS = 40
CHANGES = 8
NEWEST = "/Datastreams?$expand=Observations($top=1;$orderby=phenomenonTime desc)&$top=20000"


class Client:
    """One connection that asks again and again."""

    def __init__(self, port: int, token: str, base: str) -> None:
        self._base = base
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, *, zipped: bool = False) -> tuple[float, bytes]:
        """Return milliseconds and body of an answer."""
        headers = self._headers | ({"Accept-Encoding": "gzip"} if zipped else {})
        begun = time.perf_counter()
        target = self._base + quote(path, safe="/?&=$()%")
        self._connection.request("GET", target, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:300]!r}")
        return took, body

    def ready(self) -> bool:
        """Tell whether the API is up."""
        try:
            self._connection.request("GET", "/readyz")
            answer = self._connection.getresponse()
            answer.read()
        except OSError:
            self._connection.close()
            return False
        return answer.status == 200


def measure(ground_: Any) -> dict[str, Any]:
    """Return the figures; needs ``postgres`` and ``folder`` of a ground."""
    dsn = ground_.postgres.create_database("sensorthings")
    fill(dsn)
    with serving(dsn, ground_.folder) as client:
        return {
            "datastreams": SERIES,
            "newest": asked(client, NEWEST),
            "newest_after_a_change": changed(client, dsn),
            "newest_gzip": asked(client, NEWEST, zipped=True),
            "page_of_observations": paged(client, ""),
            "page_of_observations_by_skip_alone": paged(client, "skip"),
            "things_by_kind": asked(
                client, "/Things?$filter=properties/kind eq 'heat' and startswith(name,'x')"
            ),
            "page_of_all_observations": asked(client, "/Observations?$top=100"),
        }


def table(found: dict[str, Any]) -> list[str]:
    """Return the figures for people."""
    title = (
        f"SensorThings, {found['datastreams']:,} Datastreams (milliseconds a request, over "
        "loopback); budget of the newest of all: 300"
    )
    rows = [
        [name, one.get("entities", one.get("observations")), one.get("first_ms"), one["p50_ms"],
         one["slowest_ms"], one.get("last_ms"), one.get("bytes")]
        for name, one in found.items()
        if isinstance(one, dict)
    ]  # fmt: skip
    head = ["", "entities", "first", "p50", "slowest", "last page", "bytes"]
    return [title, *grid(head, rows)]


def asked(client: Client, path: str, *, zipped: bool = False) -> dict[str, Any]:
    """Ask one question ``ROUNDS`` times; the first is told apart."""
    first, body = client.get(path, zipped=zipped)
    times = sorted(client.get(path, zipped=zipped)[0] for _ in range(ROUNDS))
    plain = gzip.decompress(body) if zipped else body
    return {
        "first_ms": round(first, 1),
        "p50_ms": round(times[len(times) // 2], 1),
        "slowest_ms": round(times[-1], 1),
        "bytes": len(body),
        "entities": len(json.loads(plain)["value"]),
    }


def changed(client: Client, dsn: str) -> dict[str, Any]:
    """Change the registry and ask until the change shows, ``CHANGES`` times; the slowest of each.

    In this answer the API writes every Datastream anew, and meanwhile reads its whole state.
    """
    slowest = []
    with psycopg.connect(dsn, autocommit=True) as conn:
        for number in range(CHANGES):
            name = f"changed {number}"
            conn.execute("UPDATE device SET name = %s WHERE device_id = 'heat-000001'", (name,))
            conn.execute("NOTIFY blocktwin_registry")
            body, longest = b"", 0.0
            while name.encode() not in body:
                took, body = client.get(NEWEST)
                longest = max(longest, took)
            slowest.append(longest)
    ordered = sorted(slowest)
    return {"p50_ms": round(ordered[len(ordered) // 2], 1), "slowest_ms": round(ordered[-1], 1)}


def paged(client: Client, how: str) -> dict[str, Any]:
    """Go through a Datastream of ``LONG`` Observations, 1,000 a page."""
    path = "/Datastreams(1)/Observations?$top=1000"
    times, found = [], 0
    while path:
        took, body = client.get(path)
        answer = json.loads(body)
        times.append(took)
        found += len(answer["value"])
        link = answer.get("@iot.nextLink", "")
        path = link.partition("/sta/v1.1")[2]
        if how == "skip" and path:
            path = f"/Datastreams(1)/Observations?$top=1000&$skip={found}"
    ordered = sorted(times)
    return {
        "observations": found,
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "slowest_ms": round(ordered[-1], 1),
        "last_ms": round(times[-1], 1),
    }


def fill(dsn: str) -> None:
    """Make the store."""
    say(f"building {SERIES} Datastreams")
    with psycopg.connect(dsn, autocommit=True) as conn:
        upgrade(conn)
        conn.execute(
            "INSERT INTO gateway (gateway_id, name, lon, lat) VALUES ('gw', 'bench', 114.1, 22.5)"
        )
        conn.execute(
            "INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id, interval_s,"
            " placed_how) SELECT 'heat-' || to_char(n, 'FM000000'), 'heat', 'fire', 'heat ' || n,"
            " 114.1 + n * 1e-6, 22.5, 'gw', 60, 'unplaced' FROM generate_series(1, %s) AS n",
            (SERIES,),
        )
        conn.execute(
            "INSERT INTO series (device_id, quantity)"
            " SELECT device_id, 'temperature' FROM device ORDER BY 1"
        )
        conn.execute(
            "INSERT INTO reading SELECT s.series_id, date_trunc('minute', now()) - n * interval"
            " '1 minute', now(), 20 + n %% 7, 0 FROM series s, generate_series(1, %s) AS n"
            " WHERE s.series_id > 1",
            (20,),
        )
        conn.execute(
            "INSERT INTO reading SELECT 1, date_trunc('minute', now()) - n * interval '1 minute',"
            " now(), 20 + n %% 7, 0 FROM generate_series(1, %s) AS n",
            (LONG,),
        )
        conn.execute(
            "INSERT INTO latest SELECT DISTINCT ON (series_id) * FROM reading"
            " ORDER BY series_id, observed_at DESC"
        )
        conn.execute("VACUUM ANALYZE")


@contextmanager
def serving(dsn: str, folder: Path, *, base: str = "/sta/v1.1") -> Iterator[Client]:
    """Run the API on the store; the client asks for paths below ``base``."""
    operators = folder / "operators.toml"
    port = free_port()
    token = add(operators, f"bench-{port}", Role.VIEWER)
    env = {key: value for key, value in os.environ.items() if not key.startswith("BLOCKTWIN_")}
    env |= {
        "BLOCKTWIN_DATABASE__DSN": dsn,
        "BLOCKTWIN_API__PORT": str(port),
        "BLOCKTWIN_API__OPERATORS_FILE": str(operators),
    }
    argv = [sys.executable, "-m", "blocktwin", "serve"]
    child = Child(Command(name="serve", argv=argv, log=folder / "serve.log", env=env, cwd=ROOT))
    child.start()
    client = Client(port, token, base)
    try:
        wait(client.ready, "the API to be ready")
        yield client
    finally:
        child.stop(10.0)


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "").parse_args()
    with ground(Sizes.quick(10)) as ground_:
        print(json.dumps(measure(ground_) | {"cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
