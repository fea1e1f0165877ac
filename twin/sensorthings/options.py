"""The query options of a request, and those inside an ``$expand``. Pure; bounded in every way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from twin.sensorthings.expression import Node, Path
from twin.sensorthings.faults import NotOffered, QueryInvalid
from twin.sensorthings.model import ENTITIES, Entity, Link
from twin.sensorthings.parser import parse_filter, resolve

TOP = 100
"""Entities in an answer that does not say how many it wants."""
MOST_TOP = 20_000
"""Entities in one answer; a larger ``$top`` is taken as this, and a link leads on."""
MOST_SKIP = 10_000_000
DEEPEST = 5
MOST_EXPANDED = 12
MOST_ORDERS = 6
LONGEST = 16_000
"""Signs of all options together."""

_KNOWN = frozenset(
    {
        "$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$count", "$resultFormat",
        "$skiptoken",
    }
)  # fmt: skip
_INSIDE = frozenset({"$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$count"})
_CONTROL = {"@iot.id": "id", "id": "id", "@iot.selfLink": "@iot.selfLink"}


@dataclass(frozen=True, slots=True)
class Order:
    """One part of an order."""

    path: Path
    descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked of an entity set, or of one entity.

    Attributes:
        select: names of properties and links; None means all.
        top: None means the usual number.
        token: where to go on, as the link of the page before gave it.
        raw: the options as they were written, for the link to the next page.
    """

    filter: Node | None = None
    select: frozenset[str] | None = None
    expand: tuple[Expand, ...] = ()
    orderby: tuple[Order, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    array: bool = False
    token: str = ""
    raw: dict[str, str] = field(default_factory=dict)

    @property
    def limit(self) -> int:
        """How many entities to answer with."""
        return min(TOP if self.top is None else self.top, MOST_TOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expand:
    """A link whose entities come with the answer."""

    link: Link
    options: Options


def parse_query(query: str, entity: Entity) -> Options:
    """Return the options of a URL's query.

    Raises:
        QueryInvalid: one is malformed, or stands twice.
        NotOffered: an option of the standard that is not known here.
    """
    if len(query) > LONGEST:
        raise QueryInvalid(f"the query has {len(query)} signs; it may have {LONGEST}")
    given: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = unquote_plus(name, errors="replace").strip()
        if name.startswith("$"):
            _add(given, name, unquote_plus(value, errors="replace"), _KNOWN)
    return _options(given, entity, 0, [MOST_EXPANDED])


def _add(given: dict[str, str], name: str, value: str, known: frozenset[str]) -> None:
    if name not in known:
        raise NotOffered(f"{name} is not offered; there are {', '.join(sorted(known))}")
    if name in given:
        raise QueryInvalid(f"{name} stands twice")
    if "\x00" in value:
        raise QueryInvalid(f"{name} holds a NUL")
    given[name] = value


def _options(given: dict[str, str], entity: Entity, depth: int, room: list[int]) -> Options:
    text = given.get("$filter", "").strip()
    if "$filter" in given and not text:
        raise QueryInvalid("$filter is empty")
    return Options(
        filter=parse_filter(text, entity) if text else None,
        select=_select(given["$select"], entity) if "$select" in given else None,
        expand=_expand(given["$expand"], entity, depth, room) if "$expand" in given else (),
        orderby=_orderby(given["$orderby"], entity) if "$orderby" in given else (),
        top=_number(given, "$top", 2**31) if "$top" in given else None,
        skip=_number(given, "$skip", MOST_SKIP) if "$skip" in given else 0,
        count=_flag(given["$count"]) if "$count" in given else False,
        array=_array(given["$resultFormat"], entity) if "$resultFormat" in given else False,
        token=given.get("$skiptoken", ""),
        raw=given,
    )


def _number(given: dict[str, str], name: str, most: int) -> int:
    text = given[name].strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise QueryInvalid(f"{name} is a whole number from 0 on, not {text[:20]!r}")
    if int(text) > most:
        raise QueryInvalid(f"{name} may be {most}")
    return int(text)


def _flag(text: str) -> bool:
    if text.strip() not in {"true", "false"}:
        raise QueryInvalid("$count is true or false")
    return text.strip() == "true"


def _array(text: str, entity: Entity) -> bool:
    if text.strip() != "dataArray":
        raise NotOffered("$resultFormat can be dataArray")
    if entity.name != "Observation":
        raise QueryInvalid("$resultFormat=dataArray is for Observations")
    return True


def _select(text: str, entity: Entity) -> frozenset[str]:
    names = [name.strip() for name in text.split(",")]
    found = set()
    for name in names:
        if name in _CONTROL:
            found.add(_CONTROL[name])
        elif name in entity.properties or name in entity.links:
            found.add(name)
        else:
            raise QueryInvalid(f"$select: {entity.name} has no {name[:60]!r}")
    return frozenset(found)


def _orderby(text: str, entity: Entity) -> tuple[Order, ...]:
    parts = text.split(",")
    if len(parts) > MOST_ORDERS:
        raise QueryInvalid(f"$orderby: more than {MOST_ORDERS} parts")
    return tuple(_order(part, entity) for part in parts)


def _order(text: str, entity: Entity) -> Order:
    words = text.split()
    direction = words[1].lower() if len(words) == 2 else "asc"
    if not 1 <= len(words) <= 2 or direction not in {"asc", "desc"}:
        raise QueryInvalid(f"$orderby: write PROPERTY asc or PROPERTY desc, not {text[:60]!r}")
    path = resolve(tuple(words[0].split("/")), entity)
    if any(link.many for link in path.links):
        raise QueryInvalid(f"$orderby: {words[0]} has many values")
    if path.leaf.column is None or path.type == "geometry":
        raise QueryInvalid(f"$orderby: nothing is ordered by {words[0]}")
    return Order(path, direction == "desc")


def _expand(text: str, entity: Entity, depth: int, room: list[int]) -> tuple[Expand, ...]:
    if depth >= DEEPEST:
        raise QueryInvalid(f"$expand: more than {DEEPEST} levels")
    found: dict[str, Expand] = {}
    for part in _split(text, ","):
        one = _expanded(part.strip(), entity, depth, room)
        if one.link.name in found:
            raise QueryInvalid(f"$expand: {one.link.name} stands twice")
        found[one.link.name] = one
    return tuple(found.values())


def _expanded(text: str, entity: Entity, depth: int, room: list[int]) -> Expand:
    room[0] -= 1
    if room[0] < 0:
        raise QueryInvalid(f"$expand: more than {MOST_EXPANDED} links in all")
    way, bracket, rest = text.partition("(")
    if bracket and not rest.endswith(")"):
        raise QueryInvalid(f"$expand: a bracket is not closed in {text[:60]!r}")
    name, slash, deeper = way.strip().partition("/")
    link = entity.links.get(name)
    if link is None:
        raise QueryInvalid(f"$expand: {entity.name} has no link {name[:60]!r}")
    target = ENTITIES[link.target]
    if slash:
        # Datastreams/Sensor is short for Datastreams($expand=Sensor).
        inner = {"$expand": deeper + (f"({rest}" if bracket else "")}
    else:
        inner = _inner(rest[:-1] if bracket else "")
    return Expand(link=link, options=_options(inner, target, depth + 1, room))


def _inner(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in _split(text, ";"):
        name, equals, value = part.strip().partition("=")
        if not equals and not name and not text.strip():
            continue
        if not equals:
            raise QueryInvalid(f"$expand: no option: {part.strip()[:60]!r}")
        _add(given, name.strip(), value, _INSIDE)
    return given


def _split(text: str, sign: str) -> Iterator[str]:
    """Split where a sign stands outside of brackets and quotes.

    Example:
        >>> list(_split("a($top=1,b),c", ","))
        ['a($top=1,b)', 'c']
    """
    begin = depth = 0
    quoted = False
    for place, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter in "()":
            depth += 1 if letter == "(" else -1
            if depth < 0:
                raise QueryInvalid("$expand: a bracket closes that was not opened")
        elif letter == sign and not depth and not quoted:
            yield text[begin:place]
            begin = place + 1
    if depth or quoted:
        raise QueryInvalid("$expand: a bracket or a quote is not closed")
    yield text[begin:]


def expanded(options: Options) -> Sequence[str]:
    """Return the names of the links that come with the answer."""
    return [one.link.name for one in options.expand]
