"""Load named SQL statements from the ``.sql`` file that stands beside its user.

A statement opens with ``-- name: some_name``; comment lines after it describe it; it ends where the
next name begins. Parameters are psycopg's ``%(name)s``; identifiers never come from data.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\s*$", re.MULTILINE)
_TITLES: dict[str, str] = {}


class Queries(dict[str, LiteralString]):
    """Named statements of one file; a missing name says which file lacks it."""

    def __init__(self, source: str, statements: dict[str, LiteralString]) -> None:
        super().__init__(statements)
        self.source = source

    def __missing__(self, name: str) -> LiteralString:
        raise KeyError(f"{self.source} has no statement named {name!r}")


def load(package: str, filename: str) -> Queries:
    """Return the statements of ``filename`` in ``package``, by name.

    Raises:
        ValueError: if a name stands twice, or text stands before the first name that is no comment.
    """
    source = f"{package}/{filename}"
    text = files(package).joinpath(filename).read_text(encoding="utf-8")
    head, *rest = _NAME.split(text)
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise ValueError(f"{source}: a statement stands before the first '-- name:' line")
    statements: dict[str, LiteralString] = {}
    for name, body in zip(rest[::2], rest[1::2], strict=True):
        if name in statements:
            raise ValueError(f"{source}: the name {name!r} stands twice")
        statements[name] = cast(LiteralString, body.strip().removesuffix(";"))
    _TITLES.update({text: f"{source}:{name}" for name, text in statements.items()})
    return Queries(source, statements)


def title_of(statement: str) -> str | None:
    """Return ``file:name`` of a statement that ``load`` has given out, None for any other text."""
    return _TITLES.get(statement)
