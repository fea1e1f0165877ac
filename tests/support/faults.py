"""Play faults against a stream of readings, seed by seed, and hold the books against the database.

``python -m tests.support.faults --seeds 20`` plays all faults on servers of its own and prints a
table and, as its last line, one JSON object. What happens when is drawn from the seed and tied to
what the senders have seen (receipts, acknowledgements, broken connections), never to a clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any

import psycopg

from dev.servers import PrivatePostgres
from tests.support import servers
from tests.support.faults_senders import Agent, Stranger
from tests.support.faults_stage import (
    AGENTS,
    AT_THE_BROKER,
    HARMS,
    STRANGER,
    WITHOUT_WORKER,
    Stage,
    Sums,
    raised,
    rows,
)
from tests.support.faults_stream import (
    LATE,
    POISON,
    USUAL,
    AgentStream,
    Books,
    ForeignStream,
    Key,
)
from tests.support.waiting import eventually

PATIENCE_S = 60.0
SAFE = tuple(harm for harm in HARMS if harm not in ("kill broker", "two workers"))
"""Harms after which even a sender without sequences may expect all its readings to be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of run.

    Attributes:
        harms: what is drawn from.
        times: fewest and most harms in a run.
        odd: unusual messages of the agents.
        strangers: whether a sender without sequences speaks too; ``poisoned``: mostly nonsense.
        replayed: whether the agents' messages come a second time from a fresh spool.
    """

    name: str
    harms: tuple[str, ...]
    times: tuple[int, int] = (1, 1)
    odd: tuple[str, ...] = USUAL
    strangers: bool = False
    poisoned: bool = False
    replayed: bool = False


FAULTS = (
    *(Fault(name=harm, harms=(harm,)) for harm in HARMS),
    Fault(name="file replayed", harms=("kill worker",), replayed=True),
    Fault(
        name="poisoned messages",
        harms=SAFE,
        times=(1, 2),
        odd=POISON,
        strangers=True,
        poisoned=True,
    ),
    Fault(name="late and backfilled", harms=SAFE, times=(1, 2), odd=(*USUAL, *LATE)),
    Fault(name="senders without sequence", harms=SAFE, times=(1, 2), strangers=True),
    Fault(
        name="two workers, poison",
        harms=("two workers",),
        odd=("refused", "refused", "misnamed", "stranger"),
    ),
    Fault(
        name="everything", harms=HARMS, times=(3, 4), odd=(*USUAL, *POISON, *LATE), replayed=True
    ),
)


@dataclass(slots=True, kw_only=True)
class Row:
    """What became of the readings of one fault, over its seeds.

    Attributes:
        sent: readings made, each counted once.
        again: readings of senders without sequence that the broker or they themselves delivered
            a second time; ``stored + rejected + duplicates = sent - lost + again``.
        redelivered: agents' messages that came again and were not counted.
    """

    fault: str
    seeds: int = 0
    sent: int = 0
    stored: int = 0
    rejected: int = 0
    duplicates: int = 0
    lost: int = 0
    again: int = 0
    redelivered: int = 0

    def add(self, other: Row) -> None:
        """Take over the counts of another seed."""
        for each in fields(self)[1:]:
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


async def play(stage: Stage, fault: Fault, seed: int) -> Row:
    """Play one seed of a fault and check what is in the database afterwards.

    Raises:
        AssertionError: if a reading is lost, doubled or not accounted for.
    """
    run = _Run(stage, fault, Random(f"{fault.name}/{seed}"))
    before = stage.sums()
    await run.play()
    stage.require_workers()
    return run.check(before, seed)


class _Run:
    """One seed of one fault."""

    def __init__(self, stage: Stage, fault: Fault, chance: Random) -> None:
        self._stage = stage
        self._fault = fault
        self._chance = chance
        self._begin_ms = stage.next_begin_ms()
        way = stage.from_senders
        self._streams = [AgentStream(name, chance, self._begin_ms, fault.odd) for name in AGENTS]
        self._agents = [
            Agent(
                host=way.host,
                port=way.port,
                gateway=name,
                password=stage.broker.password(name),
                epoch=self._begin_ms,
                resend_after_s=0.5,
            )
            for name in AGENTS
        ]
        self._foreign = ForeignStream(STRANGER, chance, self._begin_ms, poisoned=fault.poisoned)
        self._stranger = Stranger(
            host=way.host, port=way.port, user=STRANGER, password=stage.broker.password(STRANGER)
        )
        self._window = chance.randint(4, 24)
        self._no_worker = False

    async def play(self) -> None:
        """Send, harm and mend, until everything sent has been taken."""
        async with asyncio.TaskGroup() as tasks:
            senders: list[Agent | Stranger] = [*self._agents, self._stranger]
            running = [tasks.create_task(each.run(), name="sender") for each in senders]
            try:
                await self._story()
                if self._fault.replayed:
                    await self._replay()
                await self._settle()
            finally:
                for sender, task in zip(senders, running, strict=True):
                    sender.finish(task)

    async def _story(self) -> None:
        for _ in range(self._chance.randint(*self._fault.times)):
            await self._feed(self._chance.randint(10, 30))
            await self._harm(self._chance.choice(self._fault.harms))
        await self._feed(self._chance.randint(5, 20))

    async def _harm(self, harm: str) -> None:
        """Disturb, let the stream go on, and mend when the disturbance has shown."""
        handed, losses = self._handed(), self._losses()
        self._no_worker = harm in WITHOUT_WORKER
        mend = self._stage.disturb(harm, self._chance)
        self._offer(self._chance.randint(5, 15))
        if harm == "two workers":
            await self._feed(self._chance.randint(20, 40))
        elif harm in AT_THE_BROKER:
            await eventually(lambda: self._losses() > losses, PATIENCE_S, what="a lost connection")
        else:
            await eventually(lambda: self._handed() >= handed + 8, PATIENCE_S, what="8 messages")
        # Here and not in a thread: a child of ours dies with the thread that started it.
        mend()
        self._no_worker = False

    async def _feed(self, messages: int) -> None:
        """Let each agent say so many messages, as long as not too many are without a receipt."""
        for _ in range(messages):
            await eventually(self._in_window, PATIENCE_S, what="receipts")
            self._offer(1)

    def _offer(self, messages: int) -> None:
        for _ in range(messages):
            for agent, stream in zip(self._agents, self._streams, strict=True):
                agent.say(stream.next())
            if self._fault.strangers:
                self._stranger.waiting.append(self._foreign.next())

    async def _replay(self) -> None:
        """Send all again from new spools, as if a file had been played twice."""
        await eventually(self._receipted, PATIENCE_S, what="all receipts")
        for agent, stream in zip(self._agents, self._streams, strict=True):
            agent.epoch += 1
            agent.seq = 0
            for said in stream.again():
                agent.say(said)
        await self._harm(self._chance.choice(self._fault.harms))

    def _in_window(self) -> bool:
        self._look()
        return all(len(agent.pending) < self._window for agent in self._agents)

    def _receipted(self) -> bool:
        self._look()
        return not any(agent.pending for agent in self._agents)

    def _look(self) -> None:
        """A worker that is gone sends no receipts; say so at once."""
        if not self._no_worker:
            self._stage.require_workers()

    async def _settle(self) -> None:
        """Wait for all receipts, and for a last message that stands behind all others."""
        await eventually(self._receipted, PATIENCE_S, what="all receipts")
        self._stranger.waiting.append(self._foreign.good())
        last = self._last_key()
        await eventually(lambda: not self._stranger.waiting, PATIENCE_S, what="the last message")
        await eventually(lambda: last in self._rows(), PATIENCE_S, what="the last row")

    def _last_key(self) -> Key:
        return max(self._foreign.books.keys, key=lambda key: key[1])

    def _rows(self) -> list[Key]:
        with psycopg.connect(self._stage.dsn) as conn:
            return rows(conn, self._begin_ms)

    def _handed(self) -> int:
        return sum(agent.handed for agent in self._agents)

    def _losses(self) -> int:
        return min(agent.losses for agent in self._agents)

    def check(self, before: Sums, seed: int) -> Row:
        """Hold the books against the database."""
        where = f"{self._fault.name}, seed {seed}"
        after, agents, foreign = self._stage.sums(), _sum(self._streams), self._foreign.books
        sent = agents.sent + foreign.sent
        found = self._rows()
        wanted = agents.keys | foreign.keys
        assert len(found) == len(set(found)), f"{where}: rows of one key"
        assert set(found) - wanted == set(), f"{where}: rows that nobody sent"
        assert wanted - set(found) == set(), f"{where}: lost"
        row = Row(
            fault=self._fault.name,
            seeds=1,
            sent=sent,
            stored=after.stored - before.stored,
            rejected=after.rejected - before.rejected,
            duplicates=after.duplicates - before.duplicates,
            lost=len(wanted - set(found)),
            again=after.received - before.received - sent,
            redelivered=after.redelivered - before.redelivered,
        )
        assert row.stored == len(wanted), f"{where}: {row}"
        assert row.stored + row.rejected + row.duplicates == sent + row.again, f"{where}: {row}"
        rejects = self._rejects(before)
        for stream in self._streams:
            kept = rejects.get(stream.gateway, 0)
            assert kept == stream.books.rejected, f"{where}: rejects of {stream.gateway}: {kept}"
        assert sum(rejects.values()) == row.rejected, f"{where}: rejects kept: {rejects}, {row}"
        if self._fault.strangers:
            # What comes twice without a sequence counts twice: as a duplicate, or a reject anew.
            assert row.again >= 0, f"{where}: {row}"
            assert row.rejected >= agents.rejected + foreign.rejected, f"{where}: {row}"
            assert row.duplicates >= agents.duplicates + foreign.duplicates, f"{where}: {row}"
        else:
            assert row.again == 0, f"{where}: {row}"
            assert row.rejected == agents.rejected, f"{where}: {row}"
            assert row.duplicates == agents.duplicates, f"{where}: {row}"
        self._check_spools(where)
        return row

    def _rejects(self, before: Sums) -> dict[str, int]:
        """Return the readings among the rejects of this run, by gateway."""
        with psycopg.connect(self._stage.dsn) as conn:
            return {
                gateway: int(readings)
                for gateway, readings in conn.execute(
                    "SELECT split_part(topic, '/', 4), sum(readings) FROM rejected"
                    " WHERE rejected_id > %s GROUP BY 1",
                    (before.last_reject,),
                )
            }

    def _check_spools(self, where: str) -> None:
        """Every sequence of every spool is known to be committed."""
        with psycopg.connect(self._stage.dsn) as conn:
            for agent in self._agents:
                ledger = conn.execute(
                    "SELECT low, above FROM uplink WHERE gateway_id = %s AND epoch = %s",
                    (agent.gateway, agent.epoch),
                ).fetchone()
                assert ledger == (agent.seq, []), f"{where}: spool of {agent.gateway}: {ledger}"


def _sum(streams: Sequence[AgentStream]) -> Books:
    total = Books()
    for stream in streams:
        total.sent += stream.books.sent
        total.rejected += stream.books.rejected
        total.duplicates += stream.books.duplicates
        total.keys |= stream.books.keys
    return total


class Stages:
    """Lends a stage; one on which a run has failed is not lent again."""

    def __init__(self, postgres: PrivatePostgres) -> None:
        self._postgres = postgres
        self._raised: Any = None
        self._stage: Stage | None = None

    @contextmanager
    def one(self) -> Iterator[Stage]:
        """Lend a stage."""
        if self._stage is None:
            self._raised = raised(self._postgres)
            self._stage = self._raised.__enter__()
        try:
            yield self._stage
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Take the stage down."""
        if self._raised is not None:
            self._raised.__exit__(None, None, None)
        self._raised = self._stage = None


def table(found: Sequence[Row]) -> str:
    """Return the rows as a table for people."""
    names = [each.name for each in fields(Row)]
    lines = [names, *[[str(getattr(row, name)) for name in names] for row in found]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        )
        for line in lines
    )


async def play_seeds(stages: Stages, fault: Fault, seeds: Sequence[int]) -> Row:
    """Play some seeds of a fault on one stage."""
    total = Row(fault=fault.name)
    with stages.one() as stage:
        for seed in seeds:
            total.add(await play(stage, fault, seed))
    return total


def _play_all(faults: Sequence[Fault], seeds: Sequence[int]) -> tuple[list[Row], list[str]]:
    """Play all seeds of some faults on servers of their own; a failure ends its seed only."""
    found, failures = [], []
    with servers.running_postgres() as postgres:
        servers.migrate(postgres.create_database(servers.TEMPLATE))
        stages = Stages(postgres)
        try:
            for fault in faults:
                row = Row(fault=fault.name)
                for seed in seeds:
                    try:
                        row.add(asyncio.run(play_seeds(stages, fault, [seed])))
                    except* AssertionError as group:
                        failures.append(f"{fault.name}, seed {seed}: {group.exceptions[0]}")
                found.append(row)
                sys.stderr.write(f"{fault.name}: {row.seeds} of {len(seeds)} seeds hold\n")
        finally:
            stages.close()
    return found, failures


def main() -> None:
    """Play what the command line asks for."""
    parser = argparse.ArgumentParser(description="Play faults against ingest.")
    parser.add_argument("--seeds", type=int, default=20, help="how many of each fault")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", action="append", choices=[fault.name for fault in FAULTS])
    options = parser.parse_args()
    # The senders' library reports each broken connection; here they are broken on purpose.
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)
    wanted = [fault for fault in FAULTS if not options.only or fault.name in options.only]
    # What the workers wrote goes the other way, so that the table and its JSON stand alone.
    with redirect_stdout(sys.stderr):
        found, failures = _play_all(wanted, range(options.first, options.first + options.seeds))
    sys.stdout.write("\n".join([table(found), "", *failures, ""]))
    sys.stdout.write(json.dumps({"faults": [asdict(row) for row in found], "failures": failures}))
    sys.stdout.write("\n")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
