"""What the worker counts and measures for Prometheus, and how to read a quantile back from it."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from core.db import slow
from core.model import Rejected, RejectReason
from core.version import version
from ingest.accounts import Tally
from ingest.message import Message

# From 1 ms to over 60 s in steps of 15 %, so that a quantile is right within a seventh.
EDGES_S = [0.001 * 1.15**step for step in range(80)]
_SIZES = (1, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)


class Latencies(Collector):
    """A histogram that takes whole arrays: one call a batch instead of one a reading."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._counts = np.zeros(len(EDGES_S) + 1, dtype=np.int64)
        self._sum = 0.0

    def observe(self, seconds: npt.NDArray[np.float64]) -> None:
        """Count each of ``seconds``; a negative one (a clock ahead of ours) counts as zero."""
        if len(seconds):
            seconds = np.maximum(seconds, 0.0)
            places = np.searchsorted(EDGES_S, seconds, side="left")
            self._counts += np.bincount(places, minlength=len(self._counts))
            self._sum += float(seconds.sum())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Give the registry what it shows."""
        family = HistogramMetricFamily(self._name, self._documentation)
        edges = [f"{edge:.6g}" for edge in EDGES_S] + ["+Inf"]
        totals = np.cumsum(self._counts).tolist()
        family.add_metric([], list(zip(edges, totals, strict=True)), self._sum)
        yield family


class Told(Collector):
    """A counter that something else keeps, looked up when asked for."""

    def __init__(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        self._name = name
        self._documentation = documentation
        self._value = value

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Give the registry what it shows."""
        yield CounterMetricFamily(self._name, self._documentation, value=self._value())


class InFlight:
    """Messages taken and not yet committed, and how old the oldest is.

    They are settled in the order in which they were taken, or nearly so (what is urgent overtakes);
    a batch may be settled in parts.
    """

    def __init__(self) -> None:
        self._taken = 0
        self._settled = 0
        # For each batch: the number of its last message, and when its first arrived.
        self._batches: deque[tuple[int, int]] = deque()
        self._lock = threading.Lock()

    @property
    def messages(self) -> int:
        """How many there are."""
        return self._taken - self._settled

    def take(self, messages: Sequence[Message]) -> None:
        """Note a batch that was taken; its first message is its oldest."""
        if messages:
            with self._lock:
                self._taken += len(messages)
                self._batches.append((self._taken, messages[0].received_us))

    def settle(self, number: int) -> None:
        """Note that the ``number`` oldest messages are committed."""
        with self._lock:
            self._settled += number
            while self._batches and self._batches[0][0] <= self._settled:
                self._batches.popleft()

    def lag_s(self, now_us: int) -> float:
        """Return the age of the oldest in seconds, 0 when there is none."""
        with self._lock:
            if not self._batches:
                return 0.0
            return max(0.0, (now_us - self._batches[0][1]) / 1e6)


def _registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


@dataclass(slots=True)
class Metrics:
    """All metrics of one worker, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=_registry)
    messages: Counter = field(init=False)
    readings: Counter = field(init=False)
    redelivered: Counter = field(init=False)
    batch_s: Histogram = field(init=False)
    commit_s: Latencies = field(init=False)
    alarm_s: Latencies = field(init=False)
    warn_s: Latencies = field(init=False)
    snapshot_s: Histogram = field(init=False)
    snapshot_bytes: Gauge = field(init=False)
    failures: Counter = field(init=False)
    transitions_lost: Counter = field(init=False)
    rejected: Counter = field(init=False)
    batch_readings: Histogram = field(init=False)
    in_flight: InFlight = field(default_factory=InFlight)

    def __post_init__(self) -> None:
        """Make the metrics in the registry."""
        self.messages = Counter(
            "blocktwin_ingest_messages",
            "Messages taken up, whatever becomes of them.",
            registry=self.registry,
        )
        self.readings = Counter(
            "blocktwin_ingest_readings",
            "Readings by what became of them, counted after the commit.",
            ["result"],
            registry=self.registry,
        )
        for result in ("stored", "rejected", "duplicate"):
            self.readings.labels(result)
        self.redelivered = Counter(
            "blocktwin_ingest_redelivered_messages",
            "Messages that came again after they had been committed.",
            registry=self.registry,
        )
        self.batch_s = Histogram(
            "blocktwin_ingest_batch_seconds",
            "Seconds from taking a batch to its commit, retries included.",
            registry=self.registry,
            buckets=EDGES_S[::4],
        )
        self.failures = Counter(
            "blocktwin_ingest_commit_failures",
            "Tries to commit that failed, by whether the same data may succeed later.",
            ["kind"],
            registry=self.registry,
        )
        for kind in ("away", "refused", "stale"):
            self.failures.labels(kind)
        self.transitions_lost = Counter(
            "blocktwin_ingest_transitions_lost",
            "Alarm transitions that the store refused; anything but zero is a defect.",
            registry=self.registry,
        )
        self.commit_s = Latencies(
            "blocktwin_ingest_commit_seconds",
            "Seconds from the device time of a live reading with a sane clock to its commit.",
        )
        self.alarm_s = Latencies(
            "blocktwin_alarm_commit_seconds",
            "Seconds from the time of the reading that decided an alarm to its commit.",
        )
        self.warn_s = Latencies(
            "blocktwin_alarm_warning_seconds",
            "Seconds from the time that decided a life-safety alarm to its provisional alarm.",
        )
        for latencies in (self.commit_s, self.alarm_s, self.warn_s):
            self.registry.register(latencies)
        self._add_snapshots()
        self._add_flow()
        info = Gauge("blocktwin_build_info", "Version.", ["version"], registry=self.registry)
        info.labels(version()).set(1)

    def _add_snapshots(self) -> None:
        self.snapshot_s = Histogram(
            "blocktwin_ingest_snapshot_seconds",
            "Seconds the batches waited for a snapshot of the alarm engine to be taken.",
            registry=self.registry,
            buckets=EDGES_S[::4],
        )
        self.snapshot_bytes = Gauge(
            "blocktwin_ingest_snapshot_bytes",
            "Bytes of the last snapshot that was written.",
            registry=self.registry,
        )

    def _add_flow(self) -> None:
        """Make what shows how full and how late the worker is, and what it costs."""
        self.rejected = Counter(
            "blocktwin_ingest_rejected_readings",
            "Readings set aside, by the reason, counted after the commit.",
            ["reason"],
            registry=self.registry,
        )
        for reason in RejectReason:
            self.rejected.labels(reason.value)
        self.batch_readings = Histogram(
            "blocktwin_ingest_batch_readings",
            "Readings of each committed batch, rejected ones and duplicates included.",
            registry=self.registry,
            buckets=_SIZES,
        )
        self.show(
            "blocktwin_ingest_lag_seconds",
            "Age of the oldest message that was taken and is not yet committed; 0 when idle.",
            lambda: self.in_flight.lag_s(time.time_ns() // 1000),
        )
        self.show(
            "blocktwin_ingest_in_flight_messages",
            "Messages taken from the queue and not yet committed.",
            lambda: self.in_flight.messages,
        )
        self.follow(
            "blocktwin_database_slow_statements",
            "Statements that took at least database.slow_query_s.",
            lambda: slow.TALLY.total,
        )
        ProcessCollector(registry=self.registry)

    def follow(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """Show a counter that is kept elsewhere; Prometheus sees ``name`` with ``_total``."""
        self.registry.register(Told(name, documentation, value))

    def show(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """Show a gauge that is looked up when asked for."""
        Gauge(name, documentation, registry=self.registry).set_function(value)

    def count(self, tally: Tally, rejected: Iterable[Rejected] = ()) -> None:
        """Count a committed batch, and by reason what of it was rejected."""
        self.batch_readings.observe(tally.received)
        for reject in rejected:
            self.rejected.labels(reject.reason.value).inc(reject.readings)
        self.readings.labels("stored").inc(tally.stored)
        self.readings.labels("rejected").inc(tally.rejected)
        self.readings.labels("duplicate").inc(tally.duplicates)
        self.redelivered.inc(tally.redelivered)

    def text(self) -> str:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry).decode()


_BUCKET = re.compile(r'^(\w+)_bucket\{(?:[^}]*,)?le="([^"]+)"[^}]*\} (\S+)$', re.MULTILINE)


def quantile_from_text(metrics_text: str, name: str, q: float) -> float | None:
    r"""Return the quantile ``q`` (0 to 1) of histogram ``name``, None when it is empty or missing.

    Linear inside a bucket, as Prometheus' ``histogram_quantile``; above the last edge, that edge.

    Example:
        >>> text = 'x_bucket{le="1.0"} 1.0\nx_bucket{le="2.0"} 3.0\nx_bucket{le="+Inf"} 3.0\n'
        >>> quantile_from_text(text, "x", 0.5)
        1.25
    """
    steps = [
        (float(edge), float(total))
        for bucket, edge, total in _BUCKET.findall(metrics_text)
        if bucket == name
    ]
    if not steps or steps[-1][1] == 0:
        return None
    wanted = q * steps[-1][1]
    low_edge, below = 0.0, 0.0
    for edge, total in steps:
        if total >= wanted and total > below:
            if edge == float("inf"):
                return low_edge
            return low_edge + (edge - low_edge) * (wanted - below) / (total - below)
        low_edge, below = edge, total
    return low_edge
