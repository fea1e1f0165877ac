"""What conditions do to each other, in order of event time: hold back, and make worse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alerts.confirm import Active, Confirmations
from alerts.gates import Inhibitions
from alerts.places import Places
from alerts.rules import LoadedRule
from alerts.snapshot import KeptActive
from alerts.snapshot import Links as KeptLinks
from core.model import Severity, Transition, TransitionKind
from core.registry import Registry


class Links:
    """Inhibition first, then confirmation: what is held back confirms nothing.

    Attributes:
        inhibitions: who is held back; ``confirmations`` who waits for a second signal.
    """

    def __init__(self, rules: Sequence[LoadedRule], registry: Registry) -> None:
        places = Places(registry)
        self.inhibitions = Inhibitions(rules, places)
        self.confirmations = Confirmations(rules, places)
        self._rules = frozenset(entry.rule.id for entry in rules)

    def follow(self, said: Iterable[Transition]) -> list[Transition]:
        """Return what is told of some transitions, in order of event time."""
        told = sorted(said, key=self._order)
        if self.inhibitions:
            told = [one for t in told for one in self.inhibitions.pass_on(t)]
        if self.confirmations:
            told = [one for t in told for one in self.confirmations.pass_on(t)]
        return sorted(told, key=_moment) if self.inhibitions or self.confirmations else told

    def _order(self, said: Transition) -> tuple[int, int, str, str]:
        rank = self.inhibitions.rank(said.rule_id) if self.inhibitions else 0
        return said.at_us, rank, said.rule_id, said.subject

    def put(self, said: Transition, level: Severity, onset_us: int) -> None:
        """Set an active condition as the database knows it."""
        self.inhibitions.held.pop((said.rule_id, said.subject), None)
        self.inhibitions.note(said.rule_id, said.subject, TransitionKind.RAISED, said.at_us)
        known = self.confirmations.active.get((said.rule_id, said.subject))
        if known is None or known.said.severity != said.severity:
            self.confirmations.drop((said.rule_id, said.subject))
            self.confirmations.put(said, level, onset_us or (known.onset_us if known else 0))

    def know(self, rule_id: str, subjects: Iterable[str]) -> None:
        """Note which conditions of a rule are active: what they hold back from now on."""
        for subject in subjects:
            if (rule_id, subject) not in self.inhibitions.held:
                self.inhibitions.note(rule_id, subject, TransitionKind.RAISED, 0)

    def drop(self, rule_id: str, subject: str) -> None:
        """Set a condition as ended, as the database knows it; ``free`` tells what it has held."""
        self.confirmations.drop((rule_id, subject))
        self.inhibitions.drop(rule_id, subject)

    def free(self, at_us: int) -> list[Transition]:
        """Return what was held back and is held by nothing any longer; call it after changes."""
        told = self.inhibitions.free(at_us)
        return [one for t in told for one in self.confirmations.pass_on(t)]

    def state(self) -> KeptLinks:
        """Return what a snapshot keeps."""
        active, onsets = self.confirmations.state()
        return KeptLinks(
            held=list(self.inhibitions.held.values()),
            active=[
                KeptActive(
                    said=one.said,
                    level=int(one.level),
                    onset_us=one.onset_us,
                    confirmed=one.confirmed,
                )
                for one in active
            ],
            onsets=onsets,
        )

    def take(self, kept: KeptLinks) -> None:
        """Take over a ``state``, as far as the rules are the same."""
        self.inhibitions.take(kept.held, self._rules)
        active = [
            Active(
                said=one.said,
                level=Severity(one.level),
                onset_us=one.onset_us,
                confirmed=one.confirmed,
            )
            for one in kept.active
        ]
        self.confirmations.take(active, kept.onsets)


def _moment(said: Transition) -> int:
    return said.at_us
