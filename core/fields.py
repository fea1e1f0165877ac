"""What the fields of a configuration section say to people, and how their secrets are hidden.

A field is ``Annotated[type, Meta(description=..., extra={"secret": True})]``. A secret of ``"dsn"``
is a connection string, of which only the password is hidden.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

MASK = "***"
WHOLE = "whole"
_DSN_PASSWORDS = (
    # To the last @: a password may hold one, and to hide too much does no harm.
    re.compile(r"(?<=://)([^:/@\s]*):(\S*)(?=@)"),
    re.compile(r"(\b(?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|[^&\s]*)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldNote:
    """One field of a section as the documentation and ``config show`` present it.

    Attributes:
        secret: empty for a plain field, ``dsn`` for a connection string, ``WHOLE`` for others.
    """

    name: str
    type: str
    default: object
    required: bool
    secret: str
    description: str


def describe(kind: type[msgspec.Struct]) -> list[FieldNote]:
    """Return what a person should know of each field of a section, in the order of the struct."""
    return [note_of(info) for info in msgspec.structs.fields(kind)]


def note_of(info: msgspec.structs.FieldInfo) -> FieldNote:
    """Return what the annotation of a field says to people."""
    metas = [part for part in get_args(info.type)[1:] if isinstance(part, Meta)]
    bare = get_args(info.type)[0] if get_origin(info.type) is Annotated else info.type
    default = None
    if info.default is not msgspec.NODEFAULT:
        default = info.default
    elif info.default_factory is not msgspec.NODEFAULT:
        default = info.default_factory()
    return FieldNote(
        name=info.name,
        type=_type_name(bare),
        default=default,
        required=info.required,
        secret=next((_secrecy(meta) for meta in metas if _secrecy(meta)), ""),
        description=next((meta.description for meta in metas if meta.description), ""),
    )


def masked(value: object) -> Any:
    """Return a section (or any value in it) as plain data, with every secret replaced by ``***``.

    Example:
        >>> masked("postgresql://bt:s3cret@db/blocktwin")
        'postgresql://bt:***@db/blocktwin'
    """
    if isinstance(value, msgspec.Struct):
        return {
            note.name: _hide(part) if note.secret == WHOLE else masked(part)
            for note in describe(type(value))
            for part in [getattr(value, note.name)]
        }
    if isinstance(value, Mapping):
        return {key: masked(part) for key, part in value.items()}
    if isinstance(value, str):
        return _mask_text(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(part) for part in value]
    return value


def _secrecy(meta: Meta) -> str:
    said = (meta.extra or {}).get("secret")
    return "dsn" if said == "dsn" else WHOLE if said else ""


def _type_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " | ".join(json.dumps(choice) for choice in get_args(kind))
    if isinstance(kind, type) and not get_args(kind):
        return kind.__name__
    return re.sub(r"\b(?:\w+\.)+", "", str(kind))


def _hide(value: object) -> object:
    return MASK if value else value


def _mask_text(text: str) -> str:
    address, assignment = _DSN_PASSWORDS
    return assignment.sub(rf"\1{MASK}", address.sub(rf"\1:{MASK}", text))
