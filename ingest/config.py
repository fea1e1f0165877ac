"""The settings of the ingest worker, section ``[ingest]``."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from core.config import Section
from core.topics import SHARDS

RETRY, IMPORT = "retry", "import"
"""Under these names commands keep their sums beside the workers'; no worker may have them."""


class IngestConfig(Section, frozen=True, kw_only=True):
    """What one worker reads, how it batches, and where it shows its health."""

    section: ClassVar[str] = "ingest"

    worker_id: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$",
            description="names this worker to the broker and in the accounts; two running workers "
            "of one name would throw each other off the broker",
        ),
    ] = "worker-0"
    shards: Annotated[
        list[str] | None,
        Meta(
            description="shards to read, two hex digits each (00 to 3f); unset means all. A shard "
            "that two workers read is counted twice, one that none reads stays at the broker"
        ),
    ] = None
    batch_readings: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="readings that close a batch early; small ones cost more "
            "per row, large ones more memory and waiting",
        ),
    ] = 5000
    batch_s: Annotated[
        float,
        Meta(
            ge=0,
            le=5,
            description="seconds a batch stays open after its first message; the "
            "larger, the later an alarm, the smaller, the more commits",
        ),
    ] = 0.05
    queue_messages: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="messages held in memory; when full, the socket is not "
            "read until half of them are stored, and the broker holds the rest",
        ),
    ] = 20_000
    queue_bytes: Annotated[
        int,
        Meta(
            ge=1_048_576,
            description="bytes of messages held in memory; the same bound for large messages",
        ),
    ] = 67_108_864
    spool_gaps: Annotated[
        int,
        Meta(
            ge=1000,
            le=1_000_000,
            description="committed sequences above a gap remembered per spool; "
            "beyond it they are sent again and count as duplicates",
        ),
    ] = 100_000
    receipt_every_s: Annotated[
        float,
        Meta(
            ge=0.01,
            le=60,
            description="least seconds between two receipts to one gateway; "
            "longer than the agent's resend_after_s makes it send twice",
        ),
    ] = 1.0
    clock_skew_s: Annotated[
        float,
        Meta(
            ge=0,
            description="seconds a device clock may be ahead before its readings are marked",
        ),
    ] = 300.0
    late_s: Annotated[
        float,
        Meta(
            gt=0,
            description="seconds after its device time at which a reading that was not sent as "
            "backfill is marked late; a mark only: it is stored and judged like any other",
        ),
    ] = 300.0
    max_future_s: Annotated[
        float,
        Meta(
            ge=0,
            le=31_622_400,
            description="seconds a device clock may be ahead before its readings are rejected; "
            "stored ones from the future hide later ones from every latest value",
        ),
    ] = 86_400.0
    http_host: Annotated[
        str, Meta(description="address of /livez, /readyz and /metrics; they ask for no password")
    ] = "127.0.0.1"
    http_port: Annotated[
        int, Meta(ge=0, le=65535, description="their TCP port; 0 takes a free one and logs it")
    ] = 9101
    connect_timeout_s: Annotated[
        float,
        Meta(gt=0, le=300, description="seconds to wait for the broker's welcome"),
    ] = 10.0
    retry_max_s: Annotated[
        float,
        Meta(
            gt=0,
            le=300,
            description="most seconds between two tries to reach a broker or "
            "database that is away; the first tries come faster",
        ),
    ] = 2.0
    reload_every_s: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="seconds between looks at the registry while unknown "
            "devices report; a registration is also announced at once",
        ),
    ] = 5.0
    warmup_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="seconds of stored readings the alarm engine is shown at a start without "
            "a snapshot; shorter than a rule's window delays that rule then",
        ),
    ] = 900.0
    snapshot_every_s: Annotated[
        float,
        Meta(
            ge=1,
            le=3600,
            description="seconds between two snapshots of the alarm engine; a restart reads as "
            "many seconds of readings again, so long ones make it slow, short ones cost writing",
        ),
    ] = 60.0
    watch_after_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=60,
            description="seconds a commit may take before readings are judged without it, from a "
            "second session at the broker; a database that refuses is not waited for",
        ),
    ] = 0.5
    settle_s: Annotated[
        float,
        Meta(
            ge=0,
            le=600,
            description="seconds after a backlog or an outage before silence counts as missing "
            "data; too short raises alarms for readings that are still on their way",
        ),
    ] = 10.0
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            le=9,
            description="seconds SIGTERM leaves for storing what has been read; what "
            "is not stored by then is not acknowledged and comes again",
        ),
    ] = 8.0

    def __post_init__(self) -> None:
        """Refuse shards that no gateway can have, and a name that is taken."""
        if self.worker_id in (RETRY, IMPORT):
            raise ValueError(
                f"worker_id: {self.worker_id!r} is the name of a command; take another"
            )
        known = {f"{number:02x}" for number in range(SHARDS)}
        strange = sorted(set(self.shards or []) - known)
        if strange:
            raise ValueError(f"shards: {strange[0]!r} is none; they are 00 to {SHARDS - 1:02x}")
