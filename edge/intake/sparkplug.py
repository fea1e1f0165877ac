"""Sparkplug B's messages as samples: birth certificates, aliases, sequence numbers, deaths.

A host application as the specification describes it (sections 4 to 6), without its own STATE. Pure:
takes the time, returns what was said and whom to ask for a new birth. Device names are
``group/node`` for the metrics of an edge node and ``group/node/device`` behind it.

A data message needs the birth that explains its aliases. One that comes before it is held (and set
aside as ``before_birth``, so that it is on disk), a birth is asked for, and what was held is read
with it. So is data by alias after a gap in the sequence: a birth may have been in the gap. A node
that died in between may have dealt out its aliases anew: then what was held stays aside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.model import Channel
from edge.intake.protobuf import Metric, Payload, ProtobufInvalid, read_payload
from edge.intake.words import Presence, Sample, Translation, Why, from_ms

FILTER = "spBv1.0/+/+/#"
_ROOT = "spBv1.0"
_SEQS = 256
_DATA_FROM = {"NDATA": "NBIRTH", "DDATA": "DBIRTH"}
_KINDS = {"NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"}
_OURS = {"NCMD", "DCMD"}
_CONTROL = ("Node Control/", "Device Control/", "bdSeq")
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_DATE_TIME = 13
_TEXTS = {12, 14, 15}
_STRING_FIELD, _FIRST_NESTED = 15, 16

MOST_NODES = 10_000
"""Edge nodes known at a time; data of a further one is set aside."""
MOST_NAMES = 100_000
"""Metrics of one edge node, with its devices."""
MOST_HELD = 256
"""Messages held for one edge node until its birth."""
MOST_HELD_METRICS = 200_000
"""Metrics of all held messages; beyond it a message is set aside and not held."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 600.0
"""Between two requests for the birth of one node: doubled while none comes."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message comes from; ``device`` is "" for the edge node itself."""

    group: str
    node: str
    device: str
    kind: str

    @property
    def name(self) -> str:
        """The foreign name of the device."""
        return "/".join(part for part in (self.group, self.node, self.device) if part)

    @property
    def command_topic(self) -> str:
        """Where the edge node takes commands."""
        return f"{_ROOT}/{self.group}/NCMD/{self.node}"


@dataclass(frozen=True, slots=True)
class _Born:
    """What a birth said of one metric."""

    device: str
    name: str
    datatype: int


@dataclass(slots=True, kw_only=True)
class _Node:
    """What is known of one edge node."""

    alive: bool = False
    bd_seq: int | None = None
    next_seq: int | None = None
    aliases: dict[int, _Born] = field(default_factory=dict)
    names: dict[tuple[str, str], int] = field(default_factory=dict)
    devices: set[str] = field(default_factory=set)
    doubtful: bool = False
    held: deque[tuple[Address, Payload, float]] = field(default_factory=deque)
    asked_s: float = float("-inf")
    pause_s: float = FIRST_PAUSE_S

    def forget(self) -> None:
        """Forget what the last birth said."""
        self.aliases.clear()
        self.names.clear()
        self.devices.clear()
        self.next_seq = None
        self.doubtful = False


@dataclass(slots=True)
class Figures:
    """Counts since the start.

    Attributes:
        births: of nodes and devices; ``deaths`` likewise.
        gaps: sequence numbers that did not follow each other.
        asked: requests for a birth.
        recovered: messages that were held, and read once the birth had come.
    """

    births: int = 0
    deaths: int = 0
    gaps: int = 0
    asked: int = 0
    recovered: int = 0


class Host:
    """What a host application knows of all edge nodes.

    Attributes:
        figures: counts since the start.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._held_metrics = 0
        self.figures = Figures()

    def take(self, topic: str, data: bytes, *, now_s: float) -> tuple[Translation, str | None]:
        """Return what a message says, and the topic to ask for a birth on, if one is needed.

        Never raises, whatever the bytes. ``now_s`` is our clock and may not run backwards by much:
        it spaces the requests, and stands in for times that a payload lacks.
        """
        said = Translation()
        address = parse(topic)
        if address is None:
            if not topic.startswith((f"{_ROOT}/STATE/", "STATE/")):
                said.refuse(Why.BAD_TOPIC, topic)
            return said, None
        if address.kind in _OURS:
            return said, None
        try:
            payload = read_payload(data)
        except ProtobufInvalid as error:
            said.refuse(Why.UNPARSABLE, str(error), device=address.name)
            return said, None
        node = self._node(address)
        if node is None:
            said.refuse(Why.TOO_MANY, "edge nodes", device=address.name, key=_keys(payload))
            return said, None
        wanting = self._handle(said, node, address, payload, now_s)
        return said, self._ask(node, address, now_s) if wanting else None

    def look_away(self) -> None:
        """Note that messages may have been missed: no alias is trusted until the next birth."""
        for node in self._nodes.values():
            node.doubtful = True
            node.next_seq = None

    def _node(self, address: Address) -> _Node | None:
        place = (address.group, address.node)
        node = self._nodes.get(place)
        if node is None and len(self._nodes) < MOST_NODES:
            node = self._nodes[place] = _Node()
        return node

    def _ask(self, node: _Node, address: Address, now_s: float) -> str | None:
        """Return the command topic, unless it was asked a moment ago."""
        if now_s - node.asked_s < node.pause_s:
            return None
        if node.asked_s > float("-inf"):
            node.pause_s = min(LONGEST_PAUSE_S, 2 * node.pause_s)
        node.asked_s = now_s
        self.figures.asked += 1
        return address.command_topic

    def _handle(
        self, said: Translation, node: _Node, address: Address, payload: Payload, now_s: float
    ) -> bool:
        """Take one message; return whether a birth is needed."""
        match address.kind:
            case "NBIRTH":
                return self._node_birth(said, node, address, payload, now_s)
            case "NDEATH":
                self._node_death(said, node, address, payload)
                return False
            case "DBIRTH":
                return self._device_birth(said, node, address, payload, now_s)
            case "DDEATH":
                return self._device_death(said, node, address, payload)
            case _:
                return self._data(said, node, address, payload, now_s)

    # ---- births and deaths

    def _node_birth(
        self, said: Translation, node: _Node, address: Address, payload: Payload, now_s: float
    ) -> bool:
        node.forget()
        node.alive = True
        node.bd_seq = _bd_seq(payload)
        # 6.4.9: a node's birth begins the count anew; what it carries is what goes on.
        node.next_seq = ((payload.seq or 0) + 1) % _SEQS
        node.asked_s, node.pause_s = float("-inf"), FIRST_PAUSE_S
        self._be_born(said, node, address, payload, now_s)
        return False

    def _device_birth(
        self, said: Translation, node: _Node, address: Address, payload: Payload, now_s: float
    ) -> bool:
        follows = self._follows(node, payload)
        if not node.alive:
            self._hold(said, node, address, payload, now_s)
            return True
        node.devices.add(address.device)
        self._be_born(said, node, address, payload, now_s)
        return not follows

    def _be_born(
        self, said: Translation, node: _Node, address: Address, payload: Payload, now_s: float
    ) -> None:
        self.figures.births += 1
        for metric in payload.metrics:
            _learn(said, node, address, metric)
        said.presences.append(Presence(device=address.name, online=True))
        _add(said, node, address, payload, now_s)
        self._read_held(said, node)

    def _read_held(self, said: Translation, node: _Node) -> None:
        """Read what waited for this birth; what waits for another one goes on waiting."""
        waiting = self._release(node)
        for address, payload, came_s in waiting:
            if address.kind == "DBIRTH":
                node.devices.add(address.device)
                self.figures.recovered += 1
                self.figures.births += 1
                for metric in payload.metrics:
                    _learn(said, node, address, metric)
                said.presences.append(Presence(device=address.name, online=True))
                _add(said, node, address, payload, came_s)
            elif address.device and address.device not in node.devices:
                self._keep_held(node, address, payload, came_s)
            else:
                self.figures.recovered += 1
                _add(said, node, address, payload, came_s)

    def _node_death(
        self, said: Translation, node: _Node, address: Address, payload: Payload
    ) -> None:
        bd_seq = _bd_seq(payload)
        if node.alive and None not in (bd_seq, node.bd_seq) and bd_seq != node.bd_seq:
            # The will of an earlier connection, which the broker sent late.
            said.refuse(Why.STALE_DEATH, f"bdSeq {bd_seq}", device=address.name)
            return
        self.figures.deaths += 1
        said.presences.append(Presence(device=address.name, online=False))
        said.presences += [
            Presence(device=f"{address.name}/{device}", online=False)
            for device in sorted(node.devices)
        ]
        node.alive = False
        self._release(node)
        node.forget()

    def _device_death(
        self, said: Translation, node: _Node, address: Address, payload: Payload
    ) -> bool:
        follows = self._follows(node, payload)
        self.figures.deaths += 1
        node.devices.discard(address.device)
        said.presences.append(Presence(device=address.name, online=False))
        return not follows or not node.alive

    # ---- data

    def _data(
        self, said: Translation, node: _Node, address: Address, payload: Payload, now_s: float
    ) -> bool:
        if not self._follows(node, payload):
            node.doubtful = True
        born = node.alive and (not address.device or address.device in node.devices)
        if not born or (node.doubtful and any(one.name is None for one in payload.metrics)):
            self._hold(said, node, address, payload, now_s)
            return True
        known = _add(said, node, address, payload, now_s)
        return node.doubtful or not known

    def _follows(self, node: _Node, payload: Payload) -> bool:
        """Tell whether the sequence number is the next one; go on from it in any case."""
        expected = node.next_seq
        if payload.seq is None or not 0 <= payload.seq < _SEQS:
            follows = False
        else:
            follows = expected is None or payload.seq == expected
            node.next_seq = (payload.seq + 1) % _SEQS
        self.figures.gaps += not follows
        return follows

    def _hold(
        self, said: Translation, node: _Node, address: Address, payload: Payload, now_s: float
    ) -> None:
        """Keep a message until its birth: in memory to be read then, and set aside on disk."""
        for metric in payload.metrics:
            said.refuse(
                Why.BEFORE_BIRTH,
                f"{metric.value!r} at {metric.timestamp or payload.timestamp} ms",
                device=address.name,
                key=metric.name if metric.name is not None else f"alias {metric.alias}",
            )
        self._keep_held(node, address, payload, now_s)

    def _keep_held(self, node: _Node, address: Address, payload: Payload, came_s: float) -> None:
        if len(node.held) >= MOST_HELD:
            self._held_metrics -= len(node.held.popleft()[1].metrics)
        if self._held_metrics + len(payload.metrics) <= MOST_HELD_METRICS:
            self._held_metrics += len(payload.metrics)
            node.held.append((address, payload, came_s))

    def _release(self, node: _Node) -> deque[tuple[Address, Payload, float]]:
        """Return what was held for a node, and hold it no more."""
        released, node.held = node.held, deque()
        self._held_metrics -= sum(len(payload.metrics) for _, payload, _ in released)
        return released


def parse(topic: str) -> Address | None:
    """Return where a topic comes from, None when it is none of an edge node's.

    Example:
        >>> parse("spBv1.0/luohu/DDATA/gw-1/rtu-1")
        Address(group='luohu', node='gw-1', device='rtu-1', kind='DDATA')
        >>> parse("spBv1.0/luohu/DDATA/gw-1") is None
        True
    """
    parts = topic.split("/")
    if len(parts) not in (4, 5) or parts[0] != _ROOT or not all(parts[1:]):
        return None
    group, kind, node = parts[1:4]
    device = parts[4] if len(parts) == 5 else ""
    if kind not in _KINDS | _OURS or (kind[0] == "D") != bool(device):
        return None
    return Address(group, node, device, kind)


def _learn(said: Translation, node: _Node, address: Address, metric: Metric) -> None:
    """Remember what a birth says of a metric."""
    if metric.name is None:
        said.refuse(Why.UNKNOWN_ALIAS, "a birth names no name", device=address.name)
        return
    if len(node.names) >= MOST_NAMES:
        said.refuse(Why.TOO_MANY, "metrics", device=address.name, key=metric.name)
        return
    datatype = metric.datatype or 0
    node.names[address.device, metric.name] = datatype
    if metric.alias is not None:
        node.aliases[metric.alias] = _Born(address.device, metric.name, datatype)


def _add(said: Translation, node: _Node, address: Address, payload: Payload, now_s: float) -> bool:
    """Add what a message measures; return whether all of its aliases were known."""
    known = True
    for metric in payload.metrics:
        name, datatype = _identity(node, address, metric)
        if name is None:
            if metric.name is None and address.kind not in _DATA_FROM.values():
                known = False
                said.refuse(
                    Why.UNKNOWN_ALIAS,
                    metric.value,
                    device=address.name,
                    key=f"alias {metric.alias}",
                )
            continue
        why = _unwanted(metric, name)
        stamp = metric.timestamp if metric.timestamp is not None else payload.timestamp
        at_s = now_s if stamp is None else from_ms(stamp)
        if why is None and at_s is None:
            why = Why.BAD_TIME
        if why is not None or at_s is None:
            said.refuse(why or Why.BAD_TIME, metric.value, device=address.name, key=name)
            continue
        value = _value(metric, datatype)
        if isinstance(value, Why):
            said.refuse(value, metric.value, device=address.name, key=name)
            continue
        channel = Channel.BACKFILL if metric.is_historical else Channel.LIVE
        said.samples.append(
            Sample(device=address.name, key=name, value=value, at_s=at_s, channel=channel)
        )
    return known


def _identity(node: _Node, address: Address, metric: Metric) -> tuple[str | None, int]:
    """Return a metric's name and data type, by itself or by its birth."""
    if metric.name is not None:
        return metric.name, metric.datatype or node.names.get((address.device, metric.name), 0)
    born = None if metric.alias is None else node.aliases.get(metric.alias)
    if born is None or born.device != address.device:
        return None, 0
    return born.name, metric.datatype or born.datatype


def _unwanted(metric: Metric, name: str) -> Why | None:
    if name.startswith(_CONTROL):
        return Why.CONTROL
    if metric.is_transient:
        # 6.4.15: a transient metric is for the moment and not for a store.
        return Why.TRANSIENT
    if metric.is_null or metric.field is None:
        return Why.NULL
    return None


def _value(metric: Metric, datatype: int) -> object:
    """Return the value as its type says, or why it is none.

    Negative Int8, Int16 and Int32 sit as two's complement in an unsigned field, of whatever width
    the encoder chose: only the bits of the type count (6.4.16).
    """
    value = metric.value
    if datatype == _DATE_TIME or (metric.field or 0) >= _FIRST_NESTED:
        return Why.NESTED
    if datatype in _TEXTS and metric.field != _STRING_FIELD:
        return Why.NESTED
    bits = _SIGNED.get(datatype)
    if bits is not None and isinstance(value, int) and not isinstance(value, bool):
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value
    return value


def _bd_seq(payload: Payload) -> int | None:
    values = [metric.value for metric in payload.metrics if metric.name == "bdSeq"]
    return values[0] if values and isinstance(values[0], int) else None


def _keys(payload: Payload) -> str:
    return ", ".join(_names(payload.metrics[:8]))


def _names(metrics: list[Metric]) -> Iterator[str]:
    for metric in metrics:
        yield metric.name if metric.name is not None else f"alias {metric.alias}"
