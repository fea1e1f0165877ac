"""The functions of the filter: their arguments, their types, and what the landing page claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.sensorthings.expression import Apply, Distance, Literal, Near, Node, Path
from twin.sensorthings.faults import QueryInvalid
from twin.sensorthings.kinds import wanted
from twin.sensorthings.model import Type
from twin.sensorthings.shapes import length_m

_T, _N, _W, _B = Type.TEXT, Type.NUMBER, Type.TIME, Type.BOOL


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives; with ``shapes`` it asks a geometry instead."""

    takes: tuple[Type, ...]
    gives: Type
    shapes: bool = False


_SHAPES = Signature((Type.GEO, Type.GEO), _B, shapes=True)

FUNCTIONS: dict[str, Signature] = {
    "substringof": Signature((_T, _T), _B),
    "startswith": Signature((_T, _T), _B),
    "endswith": Signature((_T, _T), _B),
    "length": Signature((_T,), _N),
    "indexof": Signature((_T, _T), _N),
    "substring": Signature((_T, _N), _T),
    "tolower": Signature((_T,), _T),
    "toupper": Signature((_T,), _T),
    "trim": Signature((_T,), _T),
    "concat": Signature((_T, _T), _T),
    **{
        name: Signature((_W,), _N)
        for name in ("year", "month", "day", "hour", "minute", "second", "fractionalseconds")
    },
    "date": Signature((_W,), _T),
    "time": Signature((_W,), _T),
    "totaloffsetminutes": Signature((_W,), _N),
    **{name: Signature((_N,), _N) for name in ("round", "floor", "ceiling")},
    "before": Signature((_W, _W), _B),
    "after": Signature((_W, _W), _B),
    "during": Signature((_W, Type.INTERVAL), _B),
    "geo.distance": Signature((Type.GEO, Type.GEO), _N, shapes=True),
    "geo.length": Signature((Type.GEO,), _N, shapes=True),
    "geo.intersects": _SHAPES,
    **{
        f"st_{name}": _SHAPES
        for name in (
            "equals", "disjoint", "touches", "within", "overlaps", "crosses", "intersects",
            "contains",
        )
    },
    "st_relate": Signature((Type.GEO, Type.GEO, _T), _B, shapes=True),
}  # fmt: skip

TIME_NOW = frozenset({"now", "mindatetime", "maxdatetime"})
"""Functions without arguments; the reader fills in what they are."""

SUPPORTED = tuple(sorted([*FUNCTIONS, *TIME_NOW]))
_PATTERN = frozenset("TF*012")


def call(name: str, arguments: Sequence[Node]) -> Node:
    """Return a call of a known function.

    Raises:
        QueryInvalid: the arguments are not what it takes.
    """
    if name in TIME_NOW:
        if arguments:
            raise QueryInvalid(f"$filter: {name} takes no arguments")
        return Apply(name, (), Type.TIME)
    signature = FUNCTIONS[name]
    takes = signature.takes
    if name == "substring" and len(arguments) == 3:
        takes = (_T, _N, _N)
    if len(arguments) != len(takes):
        raise QueryInvalid(f"$filter: {name} takes {len(takes)} arguments, not {len(arguments)}")
    if name == "geo.length":
        return _length(arguments[0])
    if signature.shapes:
        return _shapely(name, arguments)
    given = tuple(
        wanted(one, type_, name)
        for one, type_ in zip(arguments, _of(takes, arguments), strict=True)
    )
    return _applied(name, given, signature.gives)


def _of(takes: tuple[Type, ...], arguments: Sequence[Node]) -> tuple[Type, ...]:
    """A time may be compared with an interval, by ``before`` and ``after``."""
    if takes == (_W, _W) and arguments[1].type is Type.INTERVAL:
        return (_W, Type.INTERVAL)
    return takes


def _applied(name: str, given: tuple[Node, ...], gives: Type) -> Node:
    last = given[-1]
    if isinstance(last, Literal) and last.type is Type.INTERVAL:
        begin, end = (Literal(when, Type.TIME) for when in last.value)
        if name == "during":
            return Apply("during", (given[0], begin, end), gives)
        # An interval holds its begin and not its end.
        return (
            Apply("lt", (given[0], begin), gives)
            if name == "before"
            else Apply("ge", (given[0], end), gives)
        )
    if name == "totaloffsetminutes":
        # Every time here is UTC; a null time has no offset.
        return Apply("mul", (Apply("minute", given, Type.NUMBER), Literal(0, Type.NUMBER)), gives)
    if name == "substring" and len(given) == 3:
        return Apply("substring_3", given, gives)
    return Apply(name, given, gives)


def _length(node: Node) -> Node:
    """Metres of a line; what is no line has none, and every property is a point or an area."""
    if node.type is not Type.GEO:
        raise QueryInvalid("$filter: geo.length takes a geometry")
    metres = length_m(node.value) if isinstance(node, Literal) else 0.0
    return Literal(metres, Type.NUMBER)


def _shapely(name: str, arguments: Sequence[Node]) -> Node:
    first, second = arguments[0], arguments[1]
    swapped = isinstance(first, Literal)
    path, shape = (second, first) if swapped else (first, second)
    if not isinstance(path, Path) or path.type is not Type.GEO:
        raise QueryInvalid(f"$filter: {name} asks a property that is a geometry")
    if not isinstance(shape, Literal) or shape.type is not Type.GEO:
        raise QueryInvalid(f"$filter: {name} compares it with geography'POINT (114.1 22.5)'")
    if name == "geo.distance":
        return Distance(path, shape.value)
    plain = "intersects" if name == "geo.intersects" else name.removeprefix("st_")
    return Near(plain, path, shape.value, swapped=swapped, pattern=_pattern(arguments))


def _pattern(arguments: Sequence[Node]) -> str:
    if len(arguments) < 3:
        return ""
    given = arguments[2]
    text = given.value if isinstance(given, Literal) and given.type is Type.TEXT else ""
    if len(text) != 9 or not set(text) <= _PATTERN:
        raise QueryInvalid("$filter: st_relate takes a pattern of nine signs out of T F * 0 1 2")
    return str(text)
