"""Which rejects are meant: the filters that the commands share, as parameters of their SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

IMPORTED = "import/"
"""How the topic of a reject begins that came from a file: file name and line follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Filters; None or empty lets everything pass.

    Attributes:
        reason: one of ``core.model.RejectReason``.
        topic: how the topic begins.
        gateway: gateway id, as the topic names it.
        device: device id of a refused reading.
        since: received at this time or later.
        ids: these alone.
        state: ``open``, ``resolved`` or ``all``.
    """

    reason: str | None = None
    topic: str | None = None
    gateway: str | None = None
    device: str | None = None
    since: datetime | None = None
    ids: tuple[int, ...] = ()
    state: str = "open"

    @property
    def is_everything(self) -> bool:
        """Whether nothing is filtered out but by state."""
        return not (
            self.reason or self.topic or self.gateway or self.device or self.since or self.ids
        )

    def parameters(self) -> dict[str, object]:
        """Return the parameters that every statement over a choice takes."""
        return {
            "reason": self.reason,
            "topic": self.topic,
            "gateway": self.gateway,
            "device": self.device,
            "since": self.since,
            "ids": list(self.ids) or None,
            "open": {"open": True, "resolved": False}.get(self.state),
        }
