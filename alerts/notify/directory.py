"""What the notifier keeps at hand of the database, so that it can tell while that is away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from alerts.notify import rosters
from alerts.notify.duty import Roster
from core.db.queries import load

_SQL = load("alerts.notify", "directory.sql")


@dataclass(slots=True)
class Directory:
    """As of the last look.

    Attributes:
        rosters: all of them.
        rule_types: type of each rule in force, by id.
        hidden: (rule, subject) of alarms that are shelved, suppressed or out of service.
        asked: the same of life-safety alarms that wait for an acknowledgement.
    """

    rosters: tuple[Roster, ...] = ()
    rule_types: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[tuple[str, str]] = frozenset()
    asked: frozenset[tuple[str, str]] = frozenset()

    def look(self, conn: Connection[Any]) -> None:
        """Read all of it."""
        self.rosters = tuple(rosters.rosters(conn))
        self.rule_types = dict(conn.execute(_SQL["rule_types"]).fetchall())
        self.hidden = frozenset(conn.execute(_SQL["hidden"]).fetchall())
        self.asked = frozenset(conn.execute(_SQL["asked"]).fetchall())
