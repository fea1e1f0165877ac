"""The path of a request: which entity, which set, which property. Pure; bounded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from twin.sensorthings.faults import NotThere, QueryInvalid
from twin.sensorthings.model import ENTITIES, SETS, Entity, Link, Type

LONGEST = 2000
MOST_STEPS = 8
_KEYED = re.compile(r"(?P<name>[A-Za-z]+)\((?P<key>-?\d{1,18}|'(?:[^']|'')*')\)")
_OBSERVATION = re.compile(r"(\d{1,9})-(-?\d{1,17})")


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a path: a link (None at the beginning) and the key that follows it."""

    link: Link | None
    entity: Entity
    key: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a path means.

    Attributes:
        steps: from the first set on; without a key the last one is a whole set.
        many: whether it is a set of entities.
        leaf: a property of the entity, and ``inside``, keys in it.
        value: the bare value of the property is asked for.
        refs: only links to the entities are asked for.
    """

    steps: tuple[Step, ...]
    many: bool
    leaf: str | None = None
    inside: tuple[str, ...] = ()
    value: bool = False
    refs: bool = False

    @property
    def entity(self) -> Entity:
        """The type at the end."""
        return self.steps[-1].entity


def parse_path(path: str) -> Address:
    """Return what a path below the root means.

    Raises:
        NotThere: it names nothing.
        QueryInvalid: it is too long, or what follows makes no sense.
    """
    if len(path) > LONGEST or "\x00" in path:
        raise QueryInvalid(f"a path may have {LONGEST} signs and no NUL")
    parts = _parts(path.strip("/"))
    ending = parts.pop() if len(parts) > 1 and parts[-1] in {"$ref", "$value"} else ""
    steps = [_first(parts[0])]
    many = steps[0].key is None
    rest = parts[1:]
    while rest and not many and (step := _follow(steps[-1].entity, rest[0])) is not None:
        steps.append(step)
        many = step.link is not None and step.link.many and step.key is None
        rest = rest[1:]
        if len(steps) > MOST_STEPS:
            raise QueryInvalid(f"a path may go over {MOST_STEPS - 1} links")
    return _end(tuple(steps), many, rest, ending)


def _end(steps: tuple[Step, ...], many: bool, rest: list[str], ending: str) -> Address:
    refs, value = ending == "$ref", ending == "$value"
    if not rest:
        if value:
            raise QueryInvalid("$value stands behind a property")
        return Address(steps=steps, many=many, refs=refs)
    entity = steps[-1].entity
    name = "id" if rest[0] == "@iot.id" else rest[0]
    leaf = entity.properties.get(name)
    if many or leaf is None:
        raise NotThere(f"{entity.name if not many else entity.plural} has no {rest[0][:60]!r}")
    if refs or (len(rest) > 1 and leaf.type is not Type.JSON):
        raise QueryInvalid(f"nothing can stand behind {leaf.name}")
    return Address(steps=steps, many=False, leaf=leaf.name, inside=tuple(rest[1:]), value=value)


def _parts(path: str) -> list[str]:
    """Split at slashes outside of quotes."""
    found, begin, quoted = [], 0, False
    for place, letter in enumerate(path):
        if letter == "'":
            quoted = not quoted
        elif letter == "/" and not quoted:
            found.append(path[begin:place])
            begin = place + 1
    return [*found, path[begin:]]


def _first(text: str) -> Step:
    match = _KEYED.fullmatch(text)
    name = match["name"] if match else text
    if name not in SETS:
        raise NotThere(f"there is no {name[:60]!r}; there are {', '.join(SETS)}")
    entity = SETS[name]
    return Step(None, entity, _key(entity, match["key"]) if match else None)


def _follow(entity: Entity, text: str) -> Step | None:
    match = _KEYED.fullmatch(text)
    link = entity.links.get(match["name"] if match else text)
    if link is None:
        return None
    target = ENTITIES[link.target]
    if match and not link.many:
        raise QueryInvalid(f"{link.name} is one entity and takes no key")
    return Step(link, target, _key(target, match["key"]) if match else None)


def _key(entity: Entity, text: str) -> Any:
    quoted = text.startswith("'")
    if entity.numbered == quoted:
        sort = "a number" if entity.numbered else "text in quotes"
        raise NotThere(f"the id of {entity.plural} is {sort}")
    return text[1:-1].replace("''", "'") if quoted else int(text)


def observation_key(text: str) -> tuple[int, int] | None:
    """Return series and microseconds since 1970 of an Observation's id, None if it is none.

    Example:
        >>> observation_key("12-1767225600000000"), observation_key("12")
        ((12, 1767225600000000), None)
    """
    match = _OBSERVATION.fullmatch(text) if text.isascii() else None
    return (int(match[1]), int(match[2])) if match else None


def quoted(entity: Entity, key: Any) -> str:
    """Return an id as it stands in a path.

    Example:
        >>> quoted(ENTITIES["Thing"], "it's"), quoted(ENTITIES["Datastream"], 7)
        ("'it''s'", '7')
    """
    return str(key) if entity.numbered else "'" + str(key).replace("'", "''") + "'"
