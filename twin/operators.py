"""The operators file: who may use the API, in which role; holds hashes of tokens, never a token."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from core.errors import ConfigInvalid, UsageError
from core.model import is_id

TOKEN_BYTES = 32
"""Random bytes of a token: at 256 bits a plain SHA-256 needs neither salt nor stretching."""


class Role(StrEnum):
    """What an operator may do. Everybody may look.

    ``operator`` also acts on alarms and devices, ``gis`` also changes maps, addresses, relations,
    surfaces and devices, ``admin`` does all of it.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    GIS = "gis"
    ADMIN = "admin"


class Operator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person or program that may use the API; ``token_sha256`` is 64 hex digits."""

    name: str
    role: Role
    token_sha256: str

    def __post_init__(self) -> None:
        if not is_id(self.name):
            raise ValueError(f"operator name {self.name!r} must match [a-z0-9][a-z0-9._-]{{0,63}}")
        if len(self.token_sha256) != 64 or set(self.token_sha256) - set("0123456789abcdef"):
            raise ValueError(f"operator {self.name}: token_sha256 must be 64 hex digits")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operator: tuple[Operator, ...] = ()


def read(path: Path) -> tuple[Operator, ...]:
    """Return the operators of a file; none if there is no file.

    Raises:
        ConfigInvalid: the file cannot be read, is no such TOML, or names somebody twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"cannot read the operators file {path}: {error}") from error
    try:
        operators = msgspec.convert(tomllib.loads(text), _File).operator
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigInvalid(
            f"{path}: {error}", remedy="remove the faulty entry, or run: blocktwin operator add"
        ) from error
    names = [operator.name for operator in operators]
    for name in names:
        if names.count(name) > 1:
            raise ConfigInvalid(f"{path}: operator {name!r} stands twice")
    return operators


def add(path: Path, name: str, role: Role) -> str:
    """Add an operator and return the new token, which is kept nowhere.

    Raises:
        UsageError: the name is taken or no valid id, or the file cannot be written.
    """
    operators = read(path)
    if any(operator.name == name for operator in operators):
        raise UsageError(
            f"operator {name!r} already exists in {path}",
            remedy=f"remove it first: blocktwin operator remove {name}",
        )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        added = Operator(name=name, role=role, token_sha256=digest(token))
    except ValueError as error:
        raise UsageError(str(error)) from error
    _write(path, (*operators, added))
    return token


def remove(path: Path, name: str) -> None:
    """Remove an operator; their sessions end with their next request.

    Raises:
        UsageError: there is no such operator, or the file cannot be written.
    """
    operators = read(path)
    left = tuple(operator for operator in operators if operator.name != name)
    if len(left) == len(operators):
        raise UsageError(
            f"operator {name!r} is not in {path}", remedy="see: blocktwin operator list"
        )
    _write(path, left)


def digest(token: str) -> str:
    """Return the SHA-256 of a token in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def match(operators: tuple[Operator, ...], token: str) -> Operator | None:
    """Return whose token this is; compares with every operator in constant time."""
    wanted = digest(token)
    found = [o for o in operators if hmac.compare_digest(o.token_sha256, wanted)]
    return found[0] if found else None


@dataclass(slots=True)
class Roster:
    """The operators as the file says now: read again whenever the file has changed.

    An unreadable or broken file lets nobody in, and says so to the caller.
    """

    path: Path | None
    _stamp: tuple[int, int, int] | None = None
    _operators: tuple[Operator, ...] = ()

    def current(self) -> tuple[Operator, ...]:
        """Return the operators.

        Raises:
            ConfigInvalid: the file is broken.
        """
        if self.path is None:
            return ()
        stamp = _stamp(self.path)
        if stamp != self._stamp:
            self._operators = ()
            self._operators = read(self.path)
            self._stamp = stamp
        return self._operators


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _write(path: Path, operators: tuple[Operator, ...]) -> None:
    """Replace the file as a whole, readable by its owner alone."""
    text = "".join(
        f'[[operator]]\nname = "{o.name}"\nrole = "{o.role}"\ntoken_sha256 = "{o.token_sha256}"\n\n'
        for o in operators
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise UsageError(
            f"cannot write the operators file {path}: {error.strerror}",
            remedy="choose a folder this user may write: [api] operators_file",
        ) from error
