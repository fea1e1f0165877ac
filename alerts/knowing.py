"""All that an engine knows: ``alerts.engine`` fills it, ``alerts.taking`` hands it on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.judges import Board
from alerts.ladder import Bool
from alerts.layout import Layout, lay_out
from alerts.links import Links
from alerts.overriding import Overrides
from alerts.rules import LoadedRule
from alerts.silence import Silence
from core.batch import F8, I4, I8
from core.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The state of an engine; its arrays change, the parts themselves stay.

    Attributes:
        rules: what is judged by; ``registry`` who is judged.
        known: by series id, whether there is such a series.
        last_us: by series id, event time of what was judged last, microseconds; 0: nothing yet.
        board: what every series said last; ``busy`` how many conditions on its own values are
            active; ``place`` a scratch of as many, all -1; the three are empty if no judge asks.
    """

    rules: tuple[LoadedRule, ...]
    registry: Registry
    known: Bool
    last_us: I8
    layout: Layout
    silence: Silence
    links: Links
    board: Board
    busy: npt.NDArray[np.int16]
    place: I4

    @classmethod
    def new(
        cls,
        rules: tuple[LoadedRule, ...],
        registry: Registry,
        overrides: Overrides,
        now_us: int,
    ) -> Knowledge:
        """Know nothing yet: every condition is normal, silence is counted from ``now_us``."""
        known = np.zeros(registry.size, dtype=np.bool_)
        known[list(registry.by_id)] = True
        layout = lay_out(rules, registry, overrides)
        size = registry.size if layout.judged else 0
        value: F8 = np.full(size, np.nan)
        return cls(
            rules=rules,
            registry=registry,
            known=known,
            last_us=np.zeros(registry.size, dtype=np.int64),
            layout=layout,
            silence=Silence(rules, registry, overrides, now_us),
            links=Links(rules, registry),
            board=Board(at_us=np.zeros(size, dtype=np.int64), value=value),
            busy=np.zeros(size, dtype=np.int16),
            place=np.full(size, -1, dtype=np.int32),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all state that grows with the number of series."""
        own = self.known.nbytes + self.last_us.nbytes + self.busy.nbytes + self.place.nbytes
        own += self.board.at_us.nbytes + self.board.value.nbytes
        return own + sum(one.nbytes for one in self.layout.all) + self.silence.nbytes
