"""Read a network from any file that may hold one: a table, or a map layer of lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from core.errors import UsageError
from geodata.frames import FrameUnknown, frame
from twin.relations.lines import Anchors, LineOptions, read_lines
from twin.relations.model import RelationTable
from twin.relations.tables import read_csv, read_json

TABLES = (".csv", ".json")
"""Endings of tables; any other file is read as a map."""

MAX_TABLE_BYTES = 268_435_456
"""Bytes of a table at most; it is read whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How a file is to be read.

    Attributes:
        frame: coordinate system of its positions, as ``geodata.frames`` names it.
        encoding: of a CSV table; JSON is UTF-8 and a map says its own.
        lines: what else there is to say of a map.
        prefix: of the ids of a map's nodes that have none.
    """

    frame: str = "EPSG:4490"
    encoding: str = "utf-8"
    lines: LineOptions = field(default_factory=LineOptions)
    prefix: str = "n"


def read_file(
    path: Path, options: FileOptions, devices: Anchors, *, name: str = ""
) -> RelationTable:
    """Read a network.

    Args:
        path: where it is.
        options: how.
        devices: what ends of lines may be.
        name: what people call the file, for messages; its own name when empty.

    Raises:
        UsageError: it cannot be read, or not so.
        MissingPrerequisite: a map needs a package that is not there.
    """
    try:
        to_degrees = frame(options.frame).to_degrees
    except FrameUnknown as error:
        raise UsageError(str(error), remedy="name a coordinate system, as EPSG:4490") from error
    name = name or path.name
    if path.suffix.lower() not in TABLES:
        return read_lines(
            path, options.lines, devices, prefix=options.prefix, to_degrees=to_degrees
        )
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise UsageError(
            f"{name} has more than {MAX_TABLE_BYTES:,} bytes", remedy="divide it into several sets"
        )
    data = path.read_bytes()
    convert = None if options.frame == "EPSG:4490" else to_degrees
    if path.suffix.lower() == ".json":
        return read_json(data, name, to_degrees=convert)
    try:
        text = data.decode(options.encoding)
    except LookupError as error:
        raise UsageError(
            f"there is no encoding {options.encoding!r}", remedy="use utf-8 or gb18030"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not in {options.encoding}: byte {error.start} cannot be read",
            remedy="name its encoding, for example gb18030",
        ) from error
    return read_csv(text, name, to_degrees=convert)
