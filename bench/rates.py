"""As fast as it goes: the ceilings, the naive script and the worker, in turns of one run."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg

from bench import copying
from bench.costs import Costs, per_100k
from bench.ground import (
    ASIDE,
    INGEST_WORD,
    LIVE,
    ROOT,
    Ground,
    Worker,
    rows,
    say,
    tally,
    wait,
    working,
)
from bench.load import PACK, Burst, generator_ceiling, sending
from bench.mqtt import PUBLISH, Bare, length
from dev.processes import Child, Command

RECEIVE_MAXIMUM = 20_000


@dataclass(slots=True)
class Series:
    """The rounds of one measurement."""

    rates: list[float] = field(default_factory=list)
    spent: list[dict[str, float]] = field(default_factory=list)
    readings: int = 0

    def add(self, readings: int, took_s: float, spent: Mapping[str, float]) -> None:
        """Note a round."""
        self.rates.append(readings / took_s)
        self.spent.append(dict(spent))
        self.readings += readings

    @property
    def per_s(self) -> float:
        """The median rate."""
        return statistics.median(self.rates)

    def figures(self) -> dict[str, Any]:
        """Return the median rate and the mean costs."""
        sums: dict[str, float] = {}
        for spent in self.spent:
            for name, seconds in spent.items():
                sums[name] = sums.get(name, 0.0) + seconds
        return {
            "per_s": round(self.per_s),
            "rounds_per_s": [round(rate) for rate in self.rates],
            "cpu_s_per_100k": per_100k(sums, self.readings),
        }


def measure(ground: Ground) -> dict[str, Any]:
    """Run everything that goes as fast as it can; rounds take turns, so that noise hits all."""
    sizes = ground.sizes
    names = ("generator", "broker", "naive", "singles", "copy", "packs")
    series = {name: Series() for name in names}
    single = Burst(topic=ASIDE, messages=sizes.singles, readings=1, devices=sizes.devices)
    pack = Burst(topic=LIVE, messages=sizes.packs, readings=PACK, devices=sizes.devices)
    ceiling, ours = ground.database("copy_ceiling"), ground.database("rates")
    say(f"naive: {sizes.naive} single-reading messages, paho to INSERT")
    _naive(ground, series["naive"])
    with working(ground, ours) as worker:
        for turn in range(1, sizes.rounds + 1):
            say(f"round {turn}/{sizes.rounds}: the generator alone, the broker, COPY, ours")
            _generator(ground, single, series["generator"])
            _broker(ground, single, series["broker"])
            _ours(ground, worker, _to_worker(single), series["singles"])
            _copy(ground, ceiling, pack, series["copy"])
            _ours(ground, worker, pack, series["packs"])
    return _together(ground, series, ours)


def _together(ground: Ground, series: dict[str, Series], ours: str) -> dict[str, Any]:
    sent = series["singles"].readings + series["packs"].readings
    with psycopg.connect(ours) as conn:
        sums = tally(conn)
    figures = {name: each.figures() for name, each in series.items()}
    return figures | {
        "singles_of_broker": _ratio(series["singles"], series["broker"]),
        "packs_of_copy": _ratio(series["packs"], series["copy"]),
        "singles_of_naive": round(series["singles"].per_s / series["naive"].per_s, 1),
        "sent": sent,
        "tally": sums,
        "lost": sent - rows(ours),
        "messages_a_round": {"singles": ground.sizes.singles, "packs": ground.sizes.packs},
    }


def _ratio(ours: Series, ceiling: Series) -> float:
    """Return the median of the rounds' ratios: each round has its own noise."""
    pairs = zip(ours.rates, ceiling.rates, strict=True)
    return round(statistics.median(mine / theirs for mine, theirs in pairs), 3)


def _to_worker(single: Burst) -> Burst:
    return Burst(topic=LIVE, messages=single.messages, readings=1, devices=single.devices)


def _generator(ground: Ground, single: Burst, into: Series) -> None:
    costs = Costs({"broker": ground.broker.pid})
    done = generator_ceiling(ground.broker.port, single)
    into.add(done.readings, done.ended_s - done.began_s, {"publisher": done.cpu_s} | costs.take())


def _broker(ground: Ground, single: Burst, into: Series) -> None:
    """Measure the broker with a subscriber that does nothing but acknowledge, in bulk."""
    client = Bare(ground.broker.port, "ingest", INGEST_WORD, receive_maximum=RECEIVE_MAXIMUM)
    client.subscribe(ASIDE)
    place = 2 + len(ASIDE)
    with sending(ground.broker.port, single) as publisher:
        costs = Costs({"broker": ground.broker.pid})
        began_s = time.time()
        publisher.go()
        got = 0
        while got < single.messages:
            ids = [body[place : place + 2] for body in client.counted(PUBLISH)]
            client.socket.sendall(b"".join([b"\x40" + length(2) + number for number in ids]))
            got += len(ids)
        took_s = time.time() - began_s
        spent = {"publisher": publisher.report().cpu_s} | costs.take()
    client.close()
    into.add(got, took_s, spent)


def _copy(ground: Ground, dsn: str, pack: Burst, into: Series) -> None:
    """Measure COPY of the rows that the packs hold, with nobody else at work."""
    count, start_us = pack.messages * pack.readings, time.time_ns() // 1000
    order = np.arange(1, pack.devices + 1)
    streams = list(copying.rounds(count, order, start_us, 10_000))
    with psycopg.connect(dsn) as conn:
        costs = Costs({"database": ground.postgres.pid})
        took_s = copying.write(conn, "reading", streams)
        into.add(count, took_s, costs.take())


def _ours(ground: Ground, worker: Worker, burst: Burst, into: Series) -> None:
    readings = burst.messages * burst.readings
    with (
        psycopg.connect(worker.dsn, autocommit=True) as conn,
        sending(ground.broker.port, burst) as publisher,
    ):
        goal = tally(conn)["received"] + readings
        costs = Costs(
            {
                "broker": ground.broker.pid,
                "worker": worker.pid,
                "database": ground.postgres.pid,
            }
        )
        began_s = time.time()
        publisher.go()
        wait(lambda: tally(conn)["received"] >= goal, f"{readings} readings to be stored")
        took_s = time.time() - began_s
        into.add(readings, took_s, {"publisher": publisher.report().cpu_s} | costs.take())


def _naive(ground: Ground, into: Series) -> None:
    dsn = ground.database("naive")
    burst = Burst(
        topic=ASIDE, messages=ground.sizes.naive, readings=1, devices=ground.sizes.devices
    )
    log = ground.folder / "naive.log"
    words = [sys.executable, "bench/naive.py", str(ground.broker.port), INGEST_WORD, ASIDE, dsn]
    script = Child(Command(name="naive", argv=words, log=log, cwd=ROOT))
    script.start()
    try:
        wait(_said(script, "subscribed"), "the naive script")
        with (
            psycopg.connect(dsn, autocommit=True) as conn,
            sending(ground.broker.port, burst) as publisher,
        ):
            costs = Costs(
                {
                    "broker": ground.broker.pid,
                    "worker": script.pid,
                    "database": ground.postgres.pid,
                }
            )
            began_s = time.time()
            publisher.go()
            wait(lambda: _count(conn) >= burst.messages, "the naive script to store all")
            took_s = time.time() - began_s
            into.add(burst.messages, took_s, {"publisher": publisher.report().cpu_s} | costs.take())
    finally:
        script.stop(5.0)


def _said(script: Child, word: str) -> Callable[[], bool]:
    def said() -> bool:
        if not script.running:
            raise SystemExit(f"the naive script ended:\n{script.tail(8)}")
        return word in script.tail()

    return said


def _count(conn: psycopg.Connection[Any]) -> int:
    with suppress(psycopg.errors.UndefinedTable):
        row = conn.execute("SELECT count(*) FROM reading").fetchone()
        return int(row[0]) if row else 0
    return 0
