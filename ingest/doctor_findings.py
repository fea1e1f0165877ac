"""What the doctor makes of what was measured: pure judgements, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

DAY_S = 86_400.0
_MB, _GB = 1 << 20, 1 << 30


class Level(StrEnum):
    """How bad a finding is; ``skip`` means that it could not be looked at, with the reason."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: ``text`` is a sentence with numbers, ``remedy`` what to do."""

    about: str
    level: Level
    text: str
    remedy: str = ""


def graded(about: str, text: str, *, warn: bool, fail: bool, remedy: str) -> Finding:
    """Return a finding of the worst level that holds; the remedy stands only where one is due."""
    level = Level.FAIL if fail else Level.WARN if warn else Level.OK
    return Finding(about, level, text, remedy if warn or fail else "")


def version(number: int) -> Finding:
    """Judge the server's version (150014 is 15.14)."""
    text = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    remedy = "upgrade the server to PostgreSQL 15 or newer"
    return graded("postgresql", text, warn=False, fail=number < 150_000, remedy=remedy)


def timescaledb(
    found: str | None, licence: str, rollups: str, *, preloaded: bool
) -> Iterable[Finding]:
    """Judge the extension and say what its edition means here."""
    if found is None or not preloaded:
        what = "is not in this database" if found is None else f"{found} is not preloaded"
        remedy = "set shared_preload_libraries = 'timescaledb', restart, run: blocktwin db upgrade"
        yield Finding("timescaledb", Level.FAIL, f"TimescaleDB {what}", remedy)
        return
    numbers = tuple(int(part) for part in found.split("-")[0].split(".")[:2] if part.isdigit())
    old = numbers < (2, 19)
    remedy = "update the extension: ALTER EXTENSION timescaledb UPDATE"
    yield graded("timescaledb", f"TimescaleDB {found}", warn=False, fail=old, remedy=remedy)
    kept = {"ours": "kept by blocktwin maintain", "continuous": "continuous aggregates"}
    compression = "no compression" if licence == "apache" else "compression of old chunks"
    edition = "Apache" if licence == "apache" else "Community"
    rolled = kept.get(rollups, "not made yet")
    yield Finding("edition", Level.OK, f"{edition} edition: rollups {rolled}, {compression}")


def settings(values: Mapping[str, tuple[str, int | None]]) -> Iterable[Finding]:
    """Judge the server's settings: name -> (setting, bytes of its unit or None)."""
    for name in ("fsync", "full_page_writes"):
        off = values.get(name, ("on", None))[0] == "off"
        text = f"{name} is {'off' if off else 'on'}"
        remedy = f"set {name} = on: a power cut may destroy the whole database"
        yield graded(name, text, warn=False, fail=off, remedy=remedy)
    committed = values.get("synchronous_commit", ("on", None))[0]
    yield graded(
        "synchronous_commit", f"synchronous_commit is {committed}", warn=committed == "off",
        fail=False, remedy="set it on: what was acknowledged may be lost in a power cut",
    )  # fmt: skip
    stamped = values.get("track_commit_timestamp", ("off", None))[0]
    use = "commit times are recorded" if stamped == "on" else "needed for benchmarks only"
    yield Finding("track_commit_timestamp", Level.OK, f"track_commit_timestamp is {stamped}: {use}")
    for name, least, remedy in (
        ("shared_buffers", 256 * _MB, "give it a quarter of the memory, and restart"),
        ("max_wal_size", 2 * _GB, "set at least 2GB, or checkpoints follow close on one another"),
    ):
        setting, unit = values.get(name, ("0", 1))
        size = int(setting) * (unit or 1)
        text = f"{name} is {size // _MB:,} MB"
        yield graded(name, text, warn=size < least, fail=False, remedy=remedy)


def clock(offset_s: float, other: str = "the database server's") -> Finding:
    """Judge how far another clock is from ours; positive is ahead."""
    away = abs(offset_s)
    text = f"our clock and {other} differ by {away:.3f} s"
    remedy = "let NTP keep both clocks (apt-get install chrony)"
    return graded("clock", text, warn=away > 1, fail=away > 60, remedy=remedy)


def synchronised(state: int, error_us: int) -> Finding:
    """Judge the kernel's clock state (5: nobody keeps it) and its own estimate of the error."""
    if state == 5:
        remedy = "run an NTP client: apt-get install chrony"
        return Finding("ntp", Level.WARN, "nobody keeps this machine's clock", remedy)
    return Finding("ntp", Level.OK, f"the clock is kept; it may be off by {error_us / 1e6:.3f} s")


def space(about: str, path: str, free: int, total: int) -> Finding:
    """Judge the free space of a folder's file system, in bytes."""
    share = free / total if total else 0.0
    text = f"{path}: {free / _GB:,.1f} of {total / _GB:,.1f} GB are free ({share:.0%})"
    fail, warn = share < 0.05 or free < _GB // 4, share < 0.15 or free < 5 * _GB
    remedy = "delete or move something, or set keep_readings_days in [upkeep]"
    return graded(about, text, warn=warn, fail=fail, remedy=remedy)


def growth_per_s(chunks: Sequence[tuple[int, float]]) -> float | None:
    """Return bytes a second of the newest chunks (bytes, seconds filled), None without a minute."""
    seconds = sum(span for _, span in chunks)
    return sum(size for size, _ in chunks) / seconds if seconds >= 60 else None


def growth(size: int, rate: float | None, free: int | None) -> Finding:
    """Judge how long the disk lasts at the measured rate, in bytes and bytes a second."""
    text = f"the database has {size / _GB:,.2f} GB"
    if rate is None or rate <= 0:
        return Finding("growth", Level.OK, f"{text}; too few readings to tell its growth")
    text += f" and grows by {rate * DAY_S / _GB:,.2f} GB a day"
    if free is None:
        why = "its disk cannot be seen from here"
        return Finding("growth", Level.OK, f"{text}; {why}")
    days = free / (rate * DAY_S)
    remedy = "set keep_readings_days in [upkeep], or give it a larger disk"
    text += f"; its disk is full in {days:,.0f} days, were nothing deleted"
    return graded("growth", text, warn=days < 30, fail=days < 3, remedy=remedy)


def worker(name: str, age_s: float, *, alive: bool, behind: bool) -> Finding:
    """Judge a worker: whether it runs, when it last committed, whether ``latest`` follows."""
    ago = f"{max(0.0, age_s):,.0f} s ago"
    text = f"{name} {'runs' if alive else 'does not run'}; it last committed {ago}"
    if not alive:
        remedy = "start it: systemctl start blocktwin-ingest"
        return Finding("worker", Level.FAIL, text, remedy)
    if behind:
        text += "; the table latest has not followed"
        return Finding("worker", Level.WARN, text, "look into its log; a restart repairs latest")
    remedy = "see whether gateways send: their agents, the broker's log"
    return graded("worker", text, warn=age_s > 300, fail=False, remedy=remedy)


def workers(found: Sequence[tuple[str, float, bool, bool]]) -> Iterable[Finding]:
    """Judge all workers; none at all is a finding of its own."""
    if not found:
        remedy = "start one: systemctl enable --now blocktwin-ingest"
        yield Finding("worker", Level.WARN, "no worker has ever written", remedy)
    for name, age_s, alive, behind in found:
        yield worker(name, age_s, alive=alive, behind=behind)


def rollup(level: str, age_s: float | None, waiting: int) -> Finding:
    """Judge a rollup by the stretches that wait; its end lags by design."""
    since = "has no end yet" if age_s is None else f"ends {age_s:,.0f} s ago"
    text = f"rollup {level} {since}; {waiting:,} changed stretches wait"
    remedy = "see that it runs and keeps up: systemctl status blocktwin-maintain"
    return graded("rollups", text, warn=waiting > 100_000, fail=waiting > 5_000_000, remedy=remedy)


def rejected(hour: int, unresolved: int) -> Finding:
    """Judge the readings rejected in the last hour."""
    text = f"{hour:,} readings were rejected in the last hour; {unresolved:,} rejects are open"
    remedy = "see why: blocktwin ingest rejected list"
    return graded("rejected", text, warn=hour > 0, fail=False, remedy=remedy)


def gateways(known: int, offline: int) -> Finding:
    """Judge how many gateways are off line."""
    text = f"{offline:,} of {known:,} gateways are off line"
    remedy = "see which: blocktwin alarm list; then their power, network and agent"
    return graded("gateways", text, warn=offline > 0, fail=False, remedy=remedy)


def deliveries(waiting: int, oldest_s: float) -> Finding:
    """Judge the notices that a channel has not taken."""
    text = f"{waiting:,} notices wait"
    if waiting:
        text += f", the oldest is due since {max(0.0, oldest_s):,.0f} s"
    remedy = "see blocktwin notify's log and the channel's address"
    return graded("notices", text, warn=oldest_s > 300, fail=oldest_s > 3600, remedy=remedy)


def memory(available: int, total: int) -> Finding:
    """Judge the memory that programs can still have, in bytes."""
    text = f"{available // _MB:,} of {total // _MB:,} MB of memory are available"
    remedy = "stop something, or give the machine more memory; a full one kills the database first"
    low = available < 512 * _MB or available < total // 20
    return graded("memory", text, warn=low, fail=available < 128 * _MB, remedy=remedy)


def open_files(soft: int) -> Finding:
    """Judge the limit of open files of processes started like this one."""
    remedy = "set LimitNOFILE=65536 in the unit; a broker with many gateways needs it most"
    return graded("files", f"a process here may open {soft:,} files", warn=soft < 1024, fail=False,
                  remedy=remedy)  # fmt: skip
