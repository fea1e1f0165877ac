"""CSV to lines: what spreadsheets and other systems write, read strictly and named by line.

A line that is bad by itself becomes a reject; a file that cannot be read on (encoding, quotes, cut
off) is an error that names the line, because what follows would be guessed.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import IO

from core.config import nearest
from core.errors import UsageError
from core.model import RejectReason
from twin.history.transfer_lines import COLUMNS, REQUIRED, Line, Lines

ENCODINGS = ("utf-8", "gb18030", "gbk", "big5", "cp1252", "latin-1")
"""None of these has a line feed inside a character, so that lines can be told before decoding."""
LONGEST_LINE = 1 << 20
"""Bytes of a line; a longer one is no CSV of readings."""
_DELIMITERS = ",;\t"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a file is read.

    Attributes:
        columns: our name -> the file's name of a column, where it is another.
        zone: what times without an offset are in.
        encoding: one of ``ENCODINGS``.
        rows: lines handed on at once.
    """

    columns: Mapping[str, str]
    zone: tzinfo | None = None
    encoding: str = "utf-8"
    rows: int = 10_000


def read(path: Path, how: Reading) -> Iterator[Lines]:
    """Yield the lines of a file, ``how.rows`` at once.

    Raises:
        UsageError: if the file cannot be read on; names the line.
    """
    with _opened(path) as file:
        yield from parse(file, path.name, how)


def parse(file: IO[bytes], source: str, how: Reading) -> Iterator[Lines]:
    """Yield the lines of an open file."""
    texts = _texts(file, source, how.encoding)
    first = next((text for text in texts if text.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    rows = csv.reader(_chain(first, texts), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    lines = Lines(source=source, zone=how.zone)
    skipped = texts.number - 1
    try:
        for row in rows:
            if header is None:
                header = row
                places = columns_of(header, how.columns, f"{source}:{texts.number}")
            elif any(row):
                _add(lines, row, rows.line_num + skipped, places, len(header))
                if len(lines) >= how.rows:
                    yield lines
                    lines = Lines(source=source, zone=how.zone)
    except csv.Error as error:
        raise UsageError(
            f"{source}:{rows.line_num + skipped}: no valid CSV: {error}",
            remedy="look for a quote that is not closed, or for line ends that are no line feeds",
        ) from error
    if header is None:
        raise UsageError(f"{source}: the file is empty", remedy=f"it needs a header: {_example()}")
    if len(lines):
        yield lines


def columns_of(header: Sequence[str], mapped: Mapping[str, str], where: str) -> dict[str, int]:
    """Return our name -> position of each column that the file has; the case does not matter.

    Raises:
        UsageError: if one that is needed is missing, or one stands twice.
    """
    found = [cell.strip().lower() for cell in header]
    places: dict[str, int] = {}
    for column in COLUMNS:
        wanted = mapped.get(column, column).strip().lower()
        if found.count(wanted) > 1:
            raise UsageError(f"{where}: the column {wanted!r} stands twice in the header")
        if wanted in found:
            places[column] = found.index(wanted)
        elif column in REQUIRED or column in mapped:
            raise UsageError(
                f"{where}: there is no column {mapped.get(column, column)!r}; "
                f"the header has {', '.join(repr(cell.strip()) for cell in header)}"[:500],
                remedy=f"say which it is: --map {column}=NAME",
            )
    return places


def mapping(words: Sequence[str]) -> dict[str, str]:
    """Return what ``--map`` says: our name -> the file's.

    Raises:
        UsageError: if a word is not ``name=column``, or its name is none of ours.

    Example:
        >>> mapping(["device=设备编号"])
        {'device': '设备编号'}
    """
    columns: dict[str, str] = {}
    for word in words:
        name, equals, column = word.partition("=")
        if not equals or not column:
            raise UsageError(f"--map {word}: write it like --map device=COLUMN")
        if name not in COLUMNS:
            raise UsageError(f"--map {word}: no column is called {name!r} here",
                             remedy=nearest(name, COLUMNS))  # fmt: skip
        columns[name] = column
    return columns


def _add(lines: Lines, row: list[str], number: int, places: Mapping[str, int], width: int) -> None:
    if len(row) != width:
        sentence = f"{len(row)} cells, and the header has {width}"
        lines.refuse(number, RejectReason.UNPARSABLE, sentence, ",".join(row))
        return
    cells = {name: row[at].strip() for name, at in places.items()}
    lines.add(Line(number=number, **cells))


class _Texts:
    """The lines of a file as text; ``number`` is that of the last one."""

    def __init__(self, file: IO[bytes], source: str, encoding: str) -> None:
        self.number = 0
        self._file, self._source, self._encoding = file, source, encoding

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._read()
        self.number += 1
        where = f"{self._source}:{self.number}"
        if len(raw) > LONGEST_LINE:
            raise UsageError(f"{where}: the line is longer than {LONGEST_LINE} bytes: no CSV")
        if self.number == 1:
            raw = _without_mark(raw, where)
        try:
            return raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise UsageError(
                f"{where}: byte {error.start + 1} is 0x{raw[error.start]:02x}: "
                f"not {self._encoding}",
                remedy=_other_encoding(raw, error.start, self._encoding),
            ) from error

    def _read(self) -> bytes:
        try:
            raw = self._file.readline(LONGEST_LINE + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UsageError(
                f"{self._source}: the compressed file is cut off or damaged after line "
                f"{self.number}: {error}",
                remedy="get the whole file and import it again; what is stored already stays",
            ) from error
        if not raw:
            raise StopIteration
        return raw


def _texts(file: IO[bytes], source: str, encoding: str) -> _Texts:
    return _Texts(file, source, encoding)


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest


def _without_mark(raw: bytes, where: str) -> bytes:
    if raw.startswith(_UTF16):
        raise UsageError(
            f"{where}: the file is UTF-16", remedy="save it as CSV UTF-8 (in Excel: “CSV UTF-8”)"
        )
    return raw.removeprefix(codecs.BOM_UTF8)


def _other_encoding(raw: bytes, start: int, encoding: str) -> str:
    """Guess what the line is in, and show how it reads there from the first strange byte on."""
    for other in ("utf-8", "gb18030"):
        try:
            raw.decode(other)
        except UnicodeDecodeError:
            continue
        if other != encoding:
            text = raw[start:].decode(other, errors="replace").strip()[:20]
            return f"perhaps it is {other} and says {text!r}; then give --encoding {other}"
    return f"give --encoding: one of {', '.join(ENCODINGS)}"


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            if path.suffix == ".gz":
                with gzip.open(file) as content:
                    yield content  # type: ignore[misc]
            else:
                yield file
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


def _example() -> str:
    return ",".join(COLUMNS)
