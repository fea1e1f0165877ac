"""What the notifier counts for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


@dataclass(slots=True)
class Metrics:
    """The metrics of one notifier, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    deliveries: Counter = field(init=False)
    early: Counter = field(init=False)
    calls: Counter = field(init=False)
    pending: Gauge = field(init=False)
    canary_latency: Gauge = field(init=False)
    canary_age: Gauge = field(init=False)

    def __post_init__(self) -> None:
        """Make the metrics in the registry of this object."""
        self.deliveries = Counter(
            "blocktwin_notify_deliveries",
            "Attempts to deliver an alarm event, by what became of them.",
            ["channel", "result"],
            registry=self.registry,
        )
        self.early = Counter(
            "blocktwin_notify_early",
            "Attempts to deliver a life-safety alarm before it is stored.",
            ["channel", "result"],
            registry=self.registry,
        )
        self.calls = Counter(
            "blocktwin_notify_calls",
            "Steps of escalation: alarms that somebody was called for.",
            registry=self.registry,
        )
        self.pending = Gauge(
            "blocktwin_notify_pending",
            "Deliveries that a channel has not confirmed yet.",
            ["channel"],
            registry=self.registry,
        )
        self.canary_latency = Gauge(
            "blocktwin_canary_latency_seconds",
            "Seconds from a gateway's last canary reading to its notification.",
            ["gateway"],
            registry=self.registry,
        )
        self.canary_age = Gauge(
            "blocktwin_canary_age_seconds",
            "Seconds since a gateway's last canary came all the way.",
            ["gateway"],
            registry=self.registry,
        )

    def heard(self, gateway: str, seconds: float) -> None:
        """Keep the latency of a canary."""
        self.canary_latency.labels(gateway).set(seconds)

    def text(self) -> str:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self.registry).decode()
