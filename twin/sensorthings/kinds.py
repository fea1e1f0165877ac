"""Which values an operator takes; parts of objects become what they are compared with. Pure."""

from __future__ import annotations

from twin.sensorthings.expression import Apply, Cast, Distance, Literal, Node, Path
from twin.sensorthings.faults import QueryInvalid
from twin.sensorthings.model import Type

_ORDERED = frozenset({"lt", "le", "gt", "ge"})
_CASTS = frozenset({Type.TEXT, Type.NUMBER, Type.BOOL})


def wanted(node: Node, type_: Type, what: str) -> Node:
    """Return the node as a value of this type.

    Raises:
        QueryInvalid: it is none.
    """
    if isinstance(node, Distance):
        raise QueryInvalid("$filter: geo.distance can only be compared with a number of metres")
    if isinstance(node, Path) and node.leaf.column is None:
        raise QueryInvalid(f"$filter: {node.leaf.name} of {node.entity} cannot be filtered by")
    if node.type is Type.JSON and isinstance(node, Path) and type_ in _CASTS:
        return Cast(node, type_)
    if node.type is not type_:
        raise QueryInvalid(f"$filter: {what} takes a {type_}, not a {node.type}")
    return node


def truth(node: Node) -> Node:
    """Return the node as something that is true or false."""
    return wanted(node, Type.BOOL, "a condition")


def logical(name: str, left: Node, right: Node) -> Node:
    """Join two conditions."""
    return Apply(name, (truth(left), truth(right)), Type.BOOL)


def compared(name: str, left: Node, right: Node) -> Node:
    """Compare two values of one type; with null only by ``eq`` and ``ne``."""
    if isinstance(left, Literal) and left.type is Type.NULL:
        left, right = right, left
    if isinstance(right, Literal) and right.type is Type.NULL:
        return _with_null(name, left)
    type_ = _common(left, right)
    if type_ in {Type.GEO, Type.INTERVAL}:
        raise QueryInvalid(f"$filter: a {type_} cannot be compared with {name}; use a function")
    left, right = wanted(left, type_, name), wanted(right, type_, name)
    if type_ is Type.BOOL and name in _ORDERED:
        raise QueryInvalid(f"$filter: conditions cannot be compared with {name}")
    if type_ is Type.TEXT and name in _ORDERED:
        name = f"{name}_text"
    return Apply(name, (left, right), Type.BOOL)


def numeric(name: str, left: Node, right: Node | None = None) -> Node:
    """Do arithmetic: with numbers, or with a time and a duration."""
    if right is None:
        return Apply(name, (wanted(left, Type.NUMBER, "-"),), Type.NUMBER)
    timed = left.type is Type.TIME and name in {"add", "sub"}
    if timed and right.type is Type.DURATION:
        return Apply(name, (wanted(left, Type.TIME, name), right), Type.TIME)
    both = (wanted(left, Type.NUMBER, name), wanted(right, Type.NUMBER, name))
    return Apply(name, both, Type.NUMBER)


def _with_null(name: str, node: Node) -> Node:
    if name not in {"eq", "ne"}:
        raise QueryInvalid(f"$filter: null is compared with eq and ne, not with {name}")
    negated = "not_" if name == "ne" else ""
    if isinstance(node, Path) and node.type is Type.JSON:
        return Apply(f"json_{negated}null", (node,), Type.BOOL)
    if isinstance(node, Path) and node.leaf.column is None:
        raise QueryInvalid(f"$filter: {node.leaf.name} of {node.entity} cannot be filtered by")
    if isinstance(node, Path | Cast | Apply):
        return Apply(f"is_{negated}null", (node,), Type.BOOL)
    raise QueryInvalid("$filter: only a property or a function is compared with null")


def _common(left: Node, right: Node) -> Type:
    """The type two values are compared as."""
    known = [node.type for node in (left, right) if node.type is not Type.JSON]
    if not known:
        raise QueryInvalid("$filter: two parts of objects cannot be compared with each other")
    return known[0]
