"""Rejects as the command line shows them: read from the database, and written as lines.

What devices sent is printed with everything escaped that a terminal would act on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.rows import dict_row

from core import senml
from core.db.queries import load
from core.errors import UsageError
from ingest.decode import CBOR
from ingest.rejected_choice import Choice

_SQL = load("ingest", "rejected_listing.sql")

Row = dict[str, Any]

PAYLOAD_SHOWN = 4096
"""Bytes of a payload that are shown unless all of it is asked for."""
RECORDS_SHOWN = 100
_DETAIL_WIDTH = 60


def overview(conn: Connection[Any], choice: Choice, limit: int) -> list[Row]:
    """Return groups of rejects by reason and device or topic, the largest first."""
    return _rows(conn, "overview", choice.parameters() | {"limit": limit})


def each(conn: Connection[Any], choice: Choice, limit: int) -> list[Row]:
    """Return single rejects, the newest first."""
    return _rows(conn, "each", choice.parameters() | {"limit": limit})


def unknown(conn: Connection[Any], choice: Choice, limit: int) -> list[Row]:
    """Return what was heard of and is not registered, by device and quantity.

    ``value`` and ``unit`` are those of the newest reading; a unit of None means that it named none.
    """
    rows = _rows(conn, "unknown", choice.parameters() | {"limit": limit})
    for row in rows:
        records = decoded(row.pop("payload"), "", row["last_at"])
        sample = records[0] if isinstance(records, list) and records else {}
        row |= {"value": sample.get("value"), "unit": sample.get("unit")}
    return rows


def one(conn: Connection[Any], rejected_id: int) -> Row:
    """Return one reject with its payload.

    Raises:
        UsageError: if there is no such reject.
    """
    rows = _rows(conn, "one", {"rejected_id": rejected_id})
    if not rows:
        raise UsageError(
            f"there is no reject {rejected_id}",
            remedy="see their numbers: blocktwin ingest rejected list --each --state all",
        )
    return rows[0]


def decoded(payload: bytes, content_type: str, received_at: datetime) -> list[Row] | str:
    """Return the records of a payload as plain data, or the sentence why it has none."""
    read = senml.decode_cbor if content_type == CBOR else senml.decode_json
    try:
        records = senml.resolve(read(payload), received_at.timestamp())
    except senml.SenmlError as error:
        return str(error)
    except ModuleNotFoundError as error:
        return f"CBOR is not read here: install the extra cbor ({error.name})"
    return [_plain(record) for record in records]


def escaped(payload: bytes) -> str:
    r"""Return bytes as text that a terminal takes: UTF-8 as it is, the rest as escapes.

    Example:
        >>> escaped("水位".encode() + bytes([27, 10, 255]) + b"ab")
        '水位\\x1b\\n\\xffab'
    """
    return printable(payload.decode("utf-8", errors="backslashreplace"))


def printable(text: str) -> str:
    r"""Return text without signs that act on a terminal.

    Example:
        >>> printable("a" + chr(27) + "[2J" + chr(0x202E) + "水")
        'a\\x1b[2J\\u202e水'
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def overview_table(rows: Sequence[Row]) -> str:
    """Return groups as lines under a head."""
    cells = [
        (
            row["reason"],
            printable(row["subject"]),
            str(row["readings"]),
            _moment(row["first_at"]),
            _moment(row["last_at"]),
            f"#{row['example']} {_short(row['detail'])}",
        )
        for row in rows
    ]
    head = ("REASON", "DEVICE OR TOPIC", "READINGS", "FIRST (UTC)", "LAST (UTC)", "EXAMPLE")
    return _table([head, *cells])


def each_table(rows: Sequence[Row]) -> str:
    """Return single rejects as lines under a head."""
    cells = [
        (
            str(row["rejected_id"]),
            _moment(row["received_at"]),
            row["reason"],
            str(row["readings"]),
            row["resolution"] or "open",
            printable(row["topic"]),
            _short(row["detail"]),
        )
        for row in rows
    ]
    head = ("ID", "RECEIVED (UTC)", "REASON", "READINGS", "STATE", "TOPIC", "DETAIL")
    return _table([head, *cells])


def unknown_table(rows: Sequence[Row]) -> str:
    """Return unregistered names as lines under a head."""
    cells = [
        (
            printable(row["device"]),
            printable(row["quantity"]),
            str(row["readings"]),
            _moment(row["first_at"]),
            _moment(row["last_at"]),
            ",".join(map(printable, row["gateways"])) or "-",
            _sample(row),
            _registered(row),
        )
        for row in rows
    ]
    head = ("DEVICE", "QUANTITY", "READINGS", "FIRST (UTC)", "LAST (UTC)", "GATEWAY", "SAMPLE", "")
    return _table([head, *cells])


def sheet(row: Row, *, full: bool) -> str:
    """Return one reject: what is known of it, its payload, and its records if it has any."""
    payload: bytes = row["payload"]
    shown = payload if full else payload[:PAYLOAD_SHOWN]
    records = decoded(payload, row["content_type"], row["received_at"])
    resolved = f"{row['resolution']} {_moment(row['resolved_at'])}" if row["resolution"] else "open"
    lines = [
        f"reject:        {row['rejected_id']}",
        f"state:         {resolved}",
        f"received:      {_moment(row['received_at'])} UTC",
        f"topic:         {printable(row['topic'])}",
        f"reason:        {row['reason']}",
        f"detail:        {printable(row['detail'])}",
        f"readings:      {row['readings']}",
        f"content type:  {printable(row['content_type']) or 'not said (JSON)'}",
        f"payload:       {len(payload)} bytes",
        f"  {escaped(shown)}",
    ]
    if len(shown) < len(payload):
        lines.append(f"  … {len(payload) - len(shown)} more bytes: --full, or --raw for the bytes")
    if isinstance(records, str):
        return "\n".join([*lines, f"decoded:       no: {printable(records)}"])
    lines.append(f"decoded:       {len(records)} records")
    most = len(records) if full else RECORDS_SHOWN
    lines += [f"  {_record_line(record)}" for record in records[:most]]
    if most < len(records):
        lines.append(f"  … {len(records) - most} more: --full")
    return "\n".join(lines)


def _rows(conn: Connection[Any], name: str, parameters: dict[str, object]) -> list[Row]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[name], parameters).fetchall()


def _plain(record: senml.Resolved) -> Row:
    value = record.value if record.value is not None else record.sum
    return {
        "name": record.name,
        "value": escaped(value) if isinstance(value, bytes) else value,
        "unit": record.unit,
        "time_s": record.time_s,
        "quality": int(record.quality),
    }


def _record_line(record: Row) -> str:
    value = msgspec.json.encode(record["value"]).decode()
    unit = f" {printable(record['unit'])}" if record["unit"] else ""
    quality = f"  quality {record['quality']}" if record["quality"] else ""
    return f"{record['name']}  {printable(value)}{unit}  at {record['time_s']:.6f}{quality}"


def _sample(row: Row) -> str:
    if row["value"] is None:
        return "-"
    return printable(f"{row['value']} {row['unit'] or ''}").rstrip()


def _registered(row: Row) -> str:
    if row["series_registered"]:
        return "registered now: retry"
    return "the device is registered without it" if row["device_registered"] else ""


def _moment(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}" if when is not None else "-"


def _short(text: str) -> str:
    line = printable(text)
    return line if len(line) <= _DETAIL_WIDTH else line[: _DETAIL_WIDTH - 1] + "…"


def _table(rows: Iterable[Sequence[str]]) -> str:
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
