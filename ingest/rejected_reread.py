"""What rejects are worth when they are read again with today's registry; no input or output.

The same decode and check judge them as on the wire. A reading that is good now is stored; a message
of which only a part is good now is divided: its bad readings become rejects of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import numpy.typing as npt

from core import topics
from core.batch import Batch
from core.model import Channel, Rejected, RejectReason
from core.senml import RELATIVE_BELOW_S
from ingest.accounts import Tally
from ingest.belated import Judge, Mask
from ingest.decode import decode
from ingest.message import Message
from ingest.rejected_choice import IMPORTED

_WHOLE = frozenset({RejectReason.UNPARSABLE, RejectReason.BAD_TOPIC})


class _When(msgspec.Struct, gc=False):
    """The time of a record, whatever else it holds."""

    t: float = 0.0


_TIMES = msgspec.json.Decoder(list[_When])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A row of the table ``rejected``, as far as it is needed to read it again."""

    rejected_id: int
    received_us: int
    topic: str
    reason: str
    detail: str
    payload: bytes
    content_type: str
    readings: int
    device: str | None
    quantity: str | None

    @property
    def is_whole(self) -> bool:
        """Whether it is a message as it came, not one reading of it."""
        return self.reason in _WHOLE

    @property
    def came_as_message(self) -> bool:
        """Whether its payload is what a gateway sent, not a part of it or the line of a file."""
        return self.is_whole and not self.topic.startswith(IMPORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """What came out of several rejects.

    Attributes:
        batch: the readings that are good now.
        owner: of each of them: position of the reject that held it.
        refused: of each reject: what is still bad of it.
    """

    batch: Batch
    owner: npt.NDArray[np.intp]
    refused: list[list[Rejected]]


@dataclass(slots=True, kw_only=True)
class Settlement:
    """What is to be written once the good readings are stored.

    Attributes:
        resolved: reject id -> ``stored``, ``duplicate`` or ``divided``.
        reworded: reject id -> why it is refused now; the row stays open.
        added: bad readings of divided messages.
        left: the rejects that stay open as they are or reworded.
        tally: what this moves in the accounts.
    """

    resolved: dict[int, str] = field(default_factory=dict)
    reworded: dict[int, Rejected] = field(default_factory=dict)
    added: list[Rejected] = field(default_factory=list)
    left: list[Kept] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def reread(kept: Sequence[Kept], judge: Judge) -> Reread:
    """Decode and check rejects anew."""
    readable = [place for place, one in enumerate(kept) if _can_be_read(one)]
    messages = [_message(kept[place], judge) for place in readable]
    decoded = decode(messages, judge.tables.series, judge.tables.units)
    # The checker names a reading's message by its topic alone, so that its place stands there.
    places = [msgspec.structs.replace(m, topic=str(n)) for n, m in enumerate(messages)]
    checked = judge.check(decoded, places)
    refused: list[list[Rejected]] = [[] for _ in kept]
    for number, reject in zip(decoded.refused, decoded.rejected, strict=True):
        refused[readable[number]].append(reject)
    for reject in checked.rejected[len(decoded.rejected) :]:
        place = readable[int(reject.topic)]
        refused[place].append(replace(reject, topic=kept[place].topic))
    owner = np.array(readable, dtype=np.intp)[checked.message]
    return Reread(batch=checked.batch, owner=owner, refused=refused)


def settle(kept: Sequence[Kept], read: Reread, stored: Mask) -> Settlement:
    """Say what becomes of each reject; ``stored`` tells which readings were not there already."""
    done = Settlement()
    good = np.bincount(read.owner, minlength=len(kept)).tolist()
    new = np.bincount(read.owner[stored], minlength=len(kept)).tolist()
    rejected = 0
    for place, one in enumerate(kept):
        bad = read.refused[place]
        if not good[place] and (not bad or _is_same(one, bad)):
            rejected += _leave(done, one, bad)
            continue
        if good[place]:
            done.resolved[one.rejected_id] = "stored" if new[place] else "duplicate"
        else:
            done.resolved[one.rejected_id] = "divided"
        done.added += bad
        rejected += sum(reject.readings for reject in bad) - one.readings
    duplicates = sum(good) - sum(new)
    done.tally = Tally(
        received=sum(new) + duplicates + rejected,
        stored=sum(new),
        duplicates=duplicates,
        rejected=rejected,
    )
    return done


def _is_same(one: Kept, bad: Sequence[Rejected]) -> bool:
    """Tell whether what is bad is what was bad: the reading, or the message as a whole."""
    return not one.is_whole or (len(bad) == 1 and bad[0].reason in _WHOLE)


def _leave(done: Settlement, one: Kept, bad: Sequence[Rejected]) -> int:
    """Leave a reject open, with the reason of today; return by how many readings it has grown."""
    done.left.append(one)
    if not bad or (bad[0].reason in _WHOLE and not one.came_as_message):
        return 0  # it cannot be read here: what was known of it before says more
    if (str(bad[0].reason), bad[0].detail) == (one.reason, one.detail):
        return 0
    done.reworded[one.rejected_id] = bad[0]
    return bad[0].readings - one.readings


def _can_be_read(one: Kept) -> bool:
    """Refuse a reading whose time, written down as absolute, would now be taken as relative."""
    if one.is_whole:
        return True
    try:
        return all(record.t >= RELATIVE_BELOW_S for record in _TIMES.decode(one.payload))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _message(one: Kept, judge: Judge) -> Message:
    return Message(
        topic=_origin(one, judge) if one.topic.startswith(IMPORTED) else one.topic,
        payload=one.payload,
        received_us=one.received_us,
        content_type=one.content_type,
    )


def _origin(one: Kept, judge: Judge) -> str:
    """A file has no gateway: its readings count as sent by whichever has the device."""
    info = judge.tables.registry.find(f"{one.device}:{one.quantity}")
    return topics.topic(info.gateway_id if info else "import", Channel.BACKFILL)
