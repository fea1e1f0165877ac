"""A filter to its typed tree, after OData's precedence. Pure; bounded in length, depth and size.

``or`` binds least, then ``and``, ``not``, the comparisons, ``add sub``, ``mul div mod``, ``-``.
"""

from __future__ import annotations

from twin.sensorthings import lexer
from twin.sensorthings.expression import Apply, Distance, Literal, Near, Node, Path
from twin.sensorthings.faults import QueryInvalid
from twin.sensorthings.functions import FUNCTIONS, TIME_NOW, call
from twin.sensorthings.kinds import compared, logical, numeric, truth
from twin.sensorthings.lexer import Token
from twin.sensorthings.model import ENTITIES, Entity, Link, Type
from twin.sensorthings.shapes import read_shape

DEEPEST = 30
"""Brackets, calls and signs inside one another."""
MOST_NODES = 200
MOST_LINKS = 4
"""Links in one path of a filter or order."""
MOST_KEYS = 8

_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_CONSTANTS = {"true": True, "false": False}


def parse_filter(text: str, entity: Entity) -> Node:
    """Return the tree of a filter over an entity type.

    Raises:
        QueryInvalid: naming what is wrong, and where.
    """
    parser = _Parser(lexer.tokens(text), entity)
    tree = parser.expression()
    parser.expect_end()
    return truth(tree)


def resolve(words: tuple[str, ...], entity: Entity) -> Path:
    """Return the path of words that were separated by slashes.

    Raises:
        QueryInvalid: a word is no property and no link of where it stands.
    """
    links: list[Link] = []
    here = entity
    rest = list(words)
    while rest and rest[0] in here.links:
        link = here.links[rest.pop(0)]
        links.append(link)
        here = ENTITIES[link.target]
    if len(links) > MOST_LINKS:
        raise QueryInvalid(f"{'/'.join(words)} goes over {len(links)} links; {MOST_LINKS} may be")
    if not rest:
        raise QueryInvalid(f"{'/'.join(words)} is no property: name one of {here.name} behind it")
    name = "id" if rest[0] == "@iot.id" else rest[0]
    found = here.properties.get(name)
    if found is None:
        known = ", ".join([*here.properties, *here.links])
        raise QueryInvalid(f"{here.name} has no {rest[0]!r}; it has {known}")
    inside = tuple(rest[1:])
    if inside and found.type is not Type.JSON:
        raise QueryInvalid(f"{name} of {here.name} has no parts")
    if len(inside) > MOST_KEYS:
        raise QueryInvalid(f"{'/'.join(words)} has more than {MOST_KEYS} parts")
    return Path(tuple(links), found, inside, here.name)


class _Parser:
    def __init__(self, found: list[Token], entity: Entity) -> None:
        self._tokens = found
        self._place = 0
        self._depth = 0
        self._nodes = 0
        self._entity = entity

    # ---- tokens

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        if token.kind != "end":
            self._place += 1
        return token

    def _word(self, *words: str) -> str | None:
        """Take one of these words if it comes next."""
        token = self._next
        return self._take().text if token.kind == "word" and token.text in words else None

    def _sign(self, sign: str) -> bool:
        found = self._next.kind == "sign" and self._next.text == sign
        if found:
            self._take()
        return found

    def _need(self, sign: str) -> None:
        if not self._sign(sign):
            raise QueryInvalid(f"$filter: {sign!r} is missing at {self._next.at}")

    def expect_end(self) -> None:
        if self._next.kind != "end":
            raise QueryInvalid(f"$filter: {self._next.text!r} at {self._next.at} is one too many")

    def _made(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise QueryInvalid(f"$filter: more than {MOST_NODES} parts")
        return node

    # ---- precedence

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise QueryInvalid(f"$filter: more than {DEEPEST} levels")
        left = self._and()
        while self._word("or"):
            left = self._made(logical("or_", left, self._and()))
        self._depth -= 1
        return left

    def _and(self) -> Node:
        left = self._not()
        while self._word("and"):
            left = self._made(logical("and_", left, self._not()))
        return left

    def _not(self) -> Node:
        if not self._word("not"):
            return self._comparison()
        self._depth += 1
        if self._depth > DEEPEST:
            raise QueryInvalid(f"$filter: more than {DEEPEST} levels")
        inner = self._not()
        self._depth -= 1
        return self._made(Apply("not_", (truth(inner),), Type.BOOL))

    def _comparison(self) -> Node:
        left = self._sum()
        operator = self._word(*_COMPARISONS)
        if operator is None:
            return left
        right = self._sum()
        return self._made(_near(operator, left, right) or compared(operator, left, right))

    def _sum(self) -> Node:
        left = self._product()
        while operator := self._word("add", "sub"):
            left = self._made(numeric(operator, left, self._product()))
        return left

    def _product(self) -> Node:
        left = self._unary()
        while operator := self._word("mul", "div", "mod"):
            left = self._made(numeric(operator, left, self._unary()))
        return left

    def _unary(self) -> Node:
        if not self._sign("-"):
            return self._primary()
        self._depth += 1
        if self._depth > DEEPEST:
            raise QueryInvalid(f"$filter: more than {DEEPEST} levels")
        inner = self._unary()
        self._depth -= 1
        return self._made(numeric("negate", inner))

    # ---- leaves

    def _primary(self) -> Node:
        token = self._take()
        if token.kind == "sign" and token.text == "(":
            inner = self.expression()
            self._need(")")
            return inner
        if token.kind == "word":
            return self._made(self._named(token))
        return self._made(_literal(token))

    def _named(self, token: Token) -> Node:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text], Type.BOOL)
        if token.text == "null":
            return Literal(None, Type.NULL)
        if self._sign("("):
            return self._called(token)
        words = [token.text]
        while self._sign("/"):
            words.append(self._step())
        return resolve(tuple(words), self._entity)

    def _step(self) -> str:
        token = self._take()
        if token.kind != "word":
            raise QueryInvalid(f"$filter: a name is missing at {token.at}")
        return token.text

    def _called(self, token: Token) -> Node:
        arguments = []
        if not self._sign(")"):
            arguments.append(self.expression())
            while self._sign(","):
                arguments.append(self.expression())
            self._need(")")
        if token.text not in FUNCTIONS and token.text not in TIME_NOW:
            raise QueryInvalid(f"$filter: there is no function {token.text!r} (at {token.at})")
        return call(token.text, arguments)


def _literal(token: Token) -> Node:
    text = token.text
    if token.kind == "text":
        return Literal(lexer.unquoted(text), Type.TEXT)
    if token.kind == "number":
        whole = text.isascii() and text.isdigit() and len(text) <= 18
        value = int(text) if whole else float(text)
        if value == float("inf"):
            raise QueryInvalid(f"$filter: the number at {token.at} is too large")
        return Literal(value, Type.NUMBER)
    if token.kind == "time":
        return Literal(lexer.moment(token, text), Type.TIME)
    if token.kind == "interval":
        begin, _, end = text.partition("/")
        pair = (lexer.moment(token, begin), lexer.moment(token, end))
        return Literal(pair, Type.INTERVAL)
    if token.kind == "duration":
        return Literal(lexer.duration(token), Type.DURATION)
    if token.kind == "geometry":
        return Literal(read_shape(lexer.unquoted(text)), Type.GEO)
    raise QueryInvalid(f"$filter: a value is missing at {token.at}")


_TURNED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


def _near(operator: str, left: Node, right: Node) -> Near | None:
    """A distance compared with a number is a question to geometries."""
    if isinstance(right, Distance):
        left, right, operator = right, left, _TURNED.get(operator, operator)
    if not isinstance(left, Distance):
        return None
    number = right
    if not isinstance(number, Literal) or number.type is not Type.NUMBER:
        raise QueryInvalid("$filter: geo.distance is compared with a number of metres")
    return Near("distance", left.path, left.shape, operator=operator, limit=float(number.value))
