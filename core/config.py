"""Typed configuration: TOML file below environment, one frozen struct per section.

Only this module reads configuration files and ``BLOCKTWIN_`` variables; nothing is read at import.
A package declares its section as a ``Section`` struct in its own ``config.py``; a command asks for
the sections it needs with ``Invocation.load``.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta

from core.errors import ConfigInvalid
from core.fields import note_of

if TYPE_CHECKING:
    import ssl

KNOWN_SECTIONS = (
    "database",
    "mqtt",
    "agent",
    "ingest",
    "alerts",
    "api",
    "sensorthings",
    "twin",
    "notify",
    "desk",
    "intake",
    "upkeep",
    "sim",
    "log",
)
PREFIX = "BLOCKTWIN_"
PATH_VARIABLE = "BLOCKTWIN_CONFIG"
SYSTEM_PATH = Path("/etc/blocktwin/config.toml")

Source = Literal["default", "file", "env"]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One section; subclasses set ``section`` and repeat ``frozen=True, kw_only=True``."""

    section: ClassVar[str]


S = TypeVar("S", bound=Section)


class DatabaseConfig(Section, frozen=True, kw_only=True):
    """Where PostgreSQL with TimescaleDB is."""

    section: ClassVar[str] = "database"

    dsn: Annotated[
        str,
        Meta(
            description="libpq connection string or postgresql:// address; commands that need the "
            "database refuse to start without it",
            extra={"secret": "dsn"},
        ),
    ] = ""
    pool_size: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="connections a server process keeps at most; too few make "
            "requests wait, too many exhaust the server's max_connections",
        ),
    ] = 4
    connect_timeout_s: Annotated[
        float,
        Meta(
            ge=1,
            le=300,
            description="seconds to wait for a connection; libpq rounds up to whole "
            "seconds and never waits less than two",
        ),
    ] = 5.0
    statement_timeout_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description="seconds after which the server cancels a statement; too "
            "low cancels honest work, too high lets a stuck one hold its locks",
        ),
    ] = 30.0
    slow_query_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="seconds from which on a statement is logged by its name, with its time "
            "and rows and never its parameters; 0 logs none",
        ),
    ] = 1.0


class MqttConfig(Section, frozen=True, kw_only=True):
    """Where the MQTT broker is, and how to log in."""

    section: ClassVar[str] = "mqtt"

    host: Annotated[str, Meta(min_length=1, description="name or address of the broker")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Meta(ge=1, le=65535, description="TCP port; usually 1883, with TLS 8883")
    ] = 1883
    username: Annotated[
        str,
        Meta(
            description="broker user; a gateway's is its gateway id, or the broker's access list "
            "drops what it publishes"
        ),
    ] = ""
    password: Annotated[
        str,
        Meta(description="the user's password; goes before password_file", extra={"secret": True}),
    ] = ""
    password_file: Annotated[
        str,
        Meta(
            description="file whose first line is the password, so that it stands in no "
            "configuration and no process list"
        ),
    ] = ""
    tls: Annotated[
        bool,
        Meta(
            description="encrypt and check the broker's certificate; without it the password "
            "crosses the network in the clear"
        ),
    ] = False
    ca_file: Annotated[
        str,
        Meta(
            description="PEM file of the authority that signed the broker's certificate; empty "
            "means the system's own list"
        ),
    ] = ""
    keepalive_s: Annotated[
        int,
        Meta(
            ge=5,
            le=3600,
            description="seconds between signs of life; a broken link is noticed "
            "after one and a half times as long",
        ),
    ] = 30
    session_expiry_s: Annotated[
        int,
        Meta(
            ge=0,
            le=4294967294,
            description="seconds the broker keeps the session of a client "
            "that is away; messages for it are lost after that",
        ),
    ] = 86400
    receive_maximum: Annotated[
        int,
        Meta(
            ge=1,
            le=65535,
            description="messages in flight before one must be acknowledged; "
            "below rate times batch time times two it throttles the reader",
        ),
    ] = 20000

    def secret(self) -> str:
        """Return the password, read from ``password_file`` unless ``password`` is set.

        Raises:
            ConfigInvalid: if the file cannot be read.
        """
        if self.password or not self.password_file:
            return self.password
        return read_secret(Path(self.password_file), "mqtt.password_file")

    def trust(self) -> ssl.SSLContext | None:
        """Return by whose certificates the broker is known, None without TLS.

        Raises:
            ConfigInvalid: if ``ca_file`` cannot be used.
        """
        if not self.tls:
            return None
        import ssl  # only who connects pays for it

        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:
            raise ConfigInvalid(
                f"mqtt.ca_file: cannot use {self.ca_file}: {error}",
                remedy="give a PEM file that this user may read",
            ) from error


class LogConfig(Section, frozen=True, kw_only=True):
    """What is logged, and how."""

    section: ClassVar[str] = "log"

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="least severe level that is written; debug is loud"),
    ] = "info"
    json: Annotated[
        bool, Meta(description="one JSON object a line, for a log collector, instead of text")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The sections asked for, and where each value came from.

    Attributes:
        path: the file that was read, None if none was.
        values: section name -> its struct.
        sources: (section, field) -> ``default``, ``file`` or ``env``.
    """

    path: Path | None
    values: Mapping[str, Section]
    sources: Mapping[tuple[str, str], Source]

    def get(self, kind: type[S]) -> S:
        """Return the section of this type.

        Raises:
            KeyError: if it was not asked for.
        """
        value = self.values[kind.section]
        if not isinstance(value, kind):
            raise KeyError(f"section {kind.section!r} was loaded as {type(value).__name__}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How the command was called: what every sub-command finds in ``click``'s ``ctx.obj``.

    Attributes:
        config_path: ``--config``, None if not given.
        verbose: how often ``-v`` was given.
        env: the environment variables.
    """

    config_path: Path | None
    verbose: int
    env: Mapping[str, str]

    def load(self, *kinds: type[Section]) -> Loaded:
        """Load the sections of these types."""
        return load(
            find_path(self.config_path, self.env), {kind.section: kind for kind in kinds}, self.env
        )


def find_path(given: Path | None, env: Mapping[str, str]) -> Path | None:
    """Return the file to read: the given one, else ``$BLOCKTWIN_CONFIG``, else the system's."""
    if given is not None:
        return given
    if env.get(PATH_VARIABLE):
        return Path(env[PATH_VARIABLE])
    return SYSTEM_PATH if SYSTEM_PATH.exists() else None


def load(
    path: Path | None,
    sections: Mapping[str, type[Section]],
    env: Mapping[str, str],
    *,
    absent_ok: bool = False,
) -> Loaded:
    """Read the sections from defaults, then the file, then the environment; the last one wins.

    Args:
        path: the TOML file, None for none.
        sections: section name -> struct type. Other known sections may stand in the file and the
            environment; their keys are not looked at.
        env: environment variables; ``BLOCKTWIN_MQTT__PORT`` sets ``port`` of ``[mqtt]``.
        absent_ok: leave a section out of the result, instead of refusing, when it has required
            fields and nothing at all is set for it.

    Raises:
        ConfigInvalid: naming the file, the line where it can be found, and the key.
    """
    file = _File.read(path) if path is not None else None
    tables = file.tables() if file is not None else {}
    overlay = _overlay(env)
    values: dict[str, Section] = {}
    sources: dict[tuple[str, str], Source] = {}
    for name, kind in sections.items():
        fields = {info.name: info for info in msgspec.structs.fields(kind)}
        given = _from_file(file, name, tables.get(name, {}), fields) if file is not None else {}
        strict = _from_env(name, overlay.get(name, {}), fields)
        merged = given | strict
        missing = [key for key, info in fields.items() if info.required and key not in merged]
        if missing and not merged and absent_ok:
            continue
        if missing:
            raise _missing(name, missing[0], path)
        values[name] = _build(kind, merged, path)
        sources |= {(name, key): "default" for key in fields}
        sources |= {(name, key): "file" for key in given}
        sources |= {(name, key): "env" for key in strict}
    return Loaded(path=path, values=values, sources=sources)


def read_secret(path: Path, key: str) -> str:
    """Return the first line of a secret's file.

    Raises:
        ConfigInvalid: if the file cannot be read or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(
            f"{key}: cannot read {path}: {_cause(error)}",
            remedy="write the secret as the file's first line and let this user read it",
        ) from error
    line = text.partition("\n")[0].rstrip("\r")
    if not line:
        raise ConfigInvalid(
            f"{key}: {path} is empty", remedy="write the secret as the file's first line"
        )
    return line


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a remedy that names the known word most like this one, or lists them all."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(words)}"


_Fields = Mapping[str, msgspec.structs.FieldInfo]
_HEADER = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A configuration file: its text, for line numbers, and what it says."""

    path: Path
    lines: list[str]
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> _File:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigInvalid(
                f"cannot read the configuration file {path}: {_cause(error)}",
                remedy="give another file with --config, or correct this one",
            ) from error
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigInvalid(f"{path}: no valid TOML: {error}") from error
        return cls(path=path, lines=text.splitlines(), content=content)

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return the sections, each known and a table."""
        for name, value in self.content.items():
            if name not in KNOWN_SECTIONS:
                raise ConfigInvalid(
                    f"{self.place(name, None)}: unknown section [{name}]",
                    remedy=nearest(name, KNOWN_SECTIONS),
                )
            if not isinstance(value, dict):
                raise ConfigInvalid(
                    f"{self.place(name, None)}: {name} must be a section: write [{name}]"
                )
        return self.content

    def place(self, section: str, key: str | None) -> str:
        """Return ``file:line`` of a section or key, or the file alone when it is not found."""
        current = ""
        for number, line in enumerate(self.lines, start=1):
            header = _HEADER.match(line)
            if header:
                current = header[1]
            word = line.partition("=")[0].strip().replace('"', "")
            dotted = f"{current}.{word}" if current and not header else word
            wanted = section if key is None else f"{section}.{key}"
            found = current == wanted or current.startswith(f"{wanted}.") if header else False
            if found or (not header and (dotted == wanted or dotted.startswith(f"{wanted}."))):
                return f"{self.path}:{number}"
        return str(self.path)


def _from_file(
    file: _File, section: str, table: Mapping[str, Any], fields: _Fields
) -> dict[str, Any]:
    values = {}
    for key, raw in table.items():
        place = f"{file.place(section, key)}: {section}.{key}"
        if key not in fields:
            raise ConfigInvalid(f"{place}: unknown key", remedy=nearest(key, fields))
        values[key] = _convert(raw, fields[key], place, strict=True)
    return values


def _overlay(env: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return section -> key -> text of every variable that is ours."""
    overlay: dict[str, dict[str, str]] = {}
    for variable, text in env.items():
        if not variable.startswith(PREFIX) or variable == PATH_VARIABLE:
            continue
        section, divider, key = variable.removeprefix(PREFIX).lower().partition("__")
        if not divider or not key or section not in KNOWN_SECTIONS or variable != variable.upper():
            raise ConfigInvalid(
                f"environment variable {variable}: unknown",
                remedy=f"variables are {PREFIX}SECTION__KEY; for the section: "
                + nearest(section, KNOWN_SECTIONS),
            )
        overlay.setdefault(section, {})[key] = text
    return overlay


def _from_env(section: str, texts: Mapping[str, str], fields: _Fields) -> dict[str, Any]:
    values = {}
    for key, text in texts.items():
        place = f"environment variable {PREFIX}{section.upper()}__{key.upper()}"
        plain = key.removesuffix("_file")
        if key not in fields and plain != key and plain in fields and note_of(fields[plain]).secret:
            values[plain] = read_secret(Path(text), place)
        elif key not in fields:
            raise ConfigInvalid(f"{place}: unknown key {key!r}", remedy=nearest(key, fields))
        else:
            values[key] = _from_text(text, fields[key], place)
    return values


def _from_text(text: str, info: msgspec.structs.FieldInfo, place: str) -> Any:
    """Convert a variable's text: words and numbers as they stand, lists and tables as JSON."""
    shape = msgspec.inspect.type_info(info.type)
    while isinstance(shape, msgspec.inspect.Metadata):
        shape = shape.type
    parts = shape.types if isinstance(shape, msgspec.inspect.UnionType) else (shape,)
    nested = (msgspec.inspect.CollectionType, msgspec.inspect.DictType, msgspec.inspect.StructType)
    if not any(isinstance(part, nested) for part in parts):
        return _convert(text, info, place, strict=False)
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise ConfigInvalid(f"{place}: must be JSON: {error}") from error
    return _convert(raw, info, place, strict=True)


def _convert(raw: object, info: msgspec.structs.FieldInfo, place: str, *, strict: bool) -> Any:
    try:
        return msgspec.convert(raw, info.type, strict=strict)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(
            f"{place}: {str(error)[:1].lower()}{str(error)[1:]}", remedy=note_of(info).description
        ) from error


def _build(kind: type[Section], values: Mapping[str, Any], path: Path | None) -> Section:
    """Make the struct; a rule of its ``__post_init__`` (a ValueError) names the section."""
    try:
        return kind(**values)
    except ValueError as error:
        where = f"{path}: " if path is not None else ""
        raise ConfigInvalid(f"{where}section [{kind.section}]: {error}") from error


def _missing(section: str, key: str, path: Path | None) -> ConfigInvalid:
    where = f"in {path}" if path is not None else "in a file given with --config"
    return ConfigInvalid(
        f"{section}.{key} is required and not set",
        remedy=f"set {key} under [{section}] {where}, or {PREFIX}{section.upper()}__{key.upper()}",
    )


def _cause(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
