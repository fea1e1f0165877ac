"""The map in force as a file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from core.errors import UsageError
from core.model import SpaceKind
from geodata.frames import Frame
from geodata.maps import write
from twin.maps import in_force
from twin.maps.in_force import Conn


def export(
    conn: Conn,
    out: Path,
    *,
    format_: str,
    frame: Frame,
    encoding: str = "UTF-8",
    kinds: Collection[SpaceKind] = (),
) -> int:
    """Write the spaces in force, of some kinds or all, and return how many they are.

    Raises:
        UsageError: there is nothing to write, or it cannot be written so.
    """
    current = in_force.read(conn)
    keep = [i for i, kind in enumerate(current.cells.kinds) if not kinds or kind in kinds]
    if not keep:
        raise UsageError(
            "no space of these kinds is in force", remedy="see what is: blocktwin district list"
        )
    write.write(
        out,
        in_force.taken(current.cells, keep),
        format=format_,
        frame=frame,
        encoding=encoding,
        sources=[current.sources[i] for i in keep],
    )
    return len(keep)
