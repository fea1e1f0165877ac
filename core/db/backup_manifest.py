"""What stands beside a dump: where it came from, what it holds, and how to tell that it is whole.

A backup is a folder (``manifest.json`` and the folder ``dump``) or, under a name that ends in
``.dump``, one file with its manifest beside it (``NAME.dump.json``).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from core.errors import Permanent, UsageError

FORMAT = 1
"""Number of this way of writing a backup; a greater one is of a newer program."""
_BLOCK = 1 << 20


class BackupBroken(Permanent):
    """A backup is not what its manifest says."""


class Entry(msgspec.Struct, frozen=True):
    """One file of the dump: its size in bytes and its SHA-256, hexadecimal."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself.

    Attributes:
        blocktwin: version of the program that wrote it.
        taken_at: when the snapshot was taken, by the database's clock.
        database: name of the database, ``owner`` its owner.
        migration: the newest applied migration.
        postgresql: major version of the server; ``pg_dump`` that of the program.
        timescaledb: version of the extension; ``edition`` is ``apache`` or ``community``.
        rows: rows of every table in the snapshot.
        chunks: chunks of every hypertable in the snapshot.
        files: the dump's files by their path below the dump; one file stands under its own name.
    """

    blocktwin: str
    taken_at: datetime
    database: str
    owner: str
    migration: str
    postgresql: int
    pg_dump: int
    timescaledb: str
    edition: str
    rows: dict[str, int]
    chunks: dict[str, int]
    files: dict[str, Entry]
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Bytes of the dump."""
        return sum(entry.size for entry in self.files.values())


class Place(msgspec.Struct, frozen=True):
    """Where a backup lies, or will lie."""

    path: Path

    @property
    def single(self) -> bool:
        """Whether it is one file instead of a folder."""
        return self.path.suffix == ".dump"

    @property
    def dump(self) -> Path:
        """What pg_dump writes: a file, or a folder."""
        return self.path if self.single else self.path / "dump"

    @property
    def manifest(self) -> Path:
        """The file of the manifest."""
        if self.single:
            return self.path.with_name(self.path.name + ".json")
        return self.path / "manifest.json"


@contextmanager
def writing(place: Place) -> Iterator[Place]:
    """Yield a place under a passing name, which becomes ``place`` when all went well.

    Whatever goes wrong, nothing half-written remains.

    Raises:
        UsageError: if there is something already, or the folder above cannot be written.
    """
    passing = Place(place.path.with_name(f"partial-{os.getpid()}-{place.path.name}"))
    for path in (place.path, place.manifest):
        if path.exists():
            raise UsageError(f"{path} is there already", remedy="give another name, or remove it")
    try:
        if place.single:
            passing.path.touch(mode=0o600, exist_ok=False)
        else:
            passing.path.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(
            f"cannot write to {place.path.parent}: {error.strerror}",
            remedy="name a folder that is there and that this user may write to",
        ) from error
    try:
        yield passing
        if place.single:
            passing.manifest.replace(place.manifest)
        passing.path.replace(place.path)
    except BaseException:
        _remove(passing)
        raise


def save(place: Place, manifest: Manifest) -> None:
    """Write the manifest, readable for its owner only, and see the backup on the disk."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    with os.fdopen(os.open(place.manifest, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(text + b"\n")
    for path in [place.manifest, *_files(place.dump).values()]:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def read(place: Place) -> Manifest:
    """Return the manifest of a backup.

    Raises:
        UsageError: if there is none.
        BackupBroken: if it cannot be read, or a newer program wrote it.
    """
    try:
        manifest = msgspec.json.decode(place.manifest.read_bytes(), type=Manifest)
    except OSError as error:
        raise UsageError(
            f"{place.path} is no backup of blocktwin: {place.manifest}: {error.strerror}",
            remedy="name what blocktwin db backup wrote: a folder, or a file with its .json",
        ) from error
    except msgspec.DecodeError as error:
        raise BackupBroken(
            f"{place.manifest} cannot be read: {error}", remedy="take another backup"
        ) from error
    if manifest.format > FORMAT:
        raise BackupBroken(
            f"{place.path} was written by the newer blocktwin {manifest.blocktwin}",
            remedy=f"install blocktwin {manifest.blocktwin} or newer",
        )
    return manifest


def entries(place: Place, tell: Callable[[int], None] = lambda _: None) -> dict[str, Entry]:
    """Return size and checksum of each file of the dump; ``tell`` hears of the bytes read."""
    return {name: _entry(path, tell) for name, path in sorted(_files(place.dump).items())}


def check(place: Place, manifest: Manifest, tell: Callable[[int], None] = lambda _: None) -> None:
    """Check that the dump is what was written, sizes first.

    Raises:
        BackupBroken: naming the first file that is not.
    """
    there = _files(place.dump)
    for name, entry in manifest.files.items():
        path = there.get(_found(place, name))
        if path is None:
            raise _broken(place, name, "it is missing")
        size = path.stat().st_size
        if size != entry.size:
            raise _broken(place, name, f"it has {size:,} bytes instead of {entry.size:,}")
    for name, entry in manifest.files.items():
        if _entry(there[_found(place, name)], tell) != entry:
            raise _broken(place, name, "its checksum is another one")


def _found(place: Place, name: str) -> str:
    """Return the name a file has now: a single one may have been renamed."""
    return place.path.name if place.single else name


def _broken(place: Place, name: str, why: str) -> BackupBroken:
    return BackupBroken(
        f"{place.path} is damaged: {name}: {why}",
        remedy="copy it again from where it was taken, or use an older backup",
    )


def _files(dump: Path) -> dict[str, Path]:
    if dump.is_file():
        return {dump.name: dump}
    return {str(path.relative_to(dump)): path for path in sorted(dump.rglob("*")) if path.is_file()}


def _entry(path: Path, tell: Callable[[int], None]) -> Entry:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            tell(len(block))
    return Entry(size, digest.hexdigest())


def _remove(place: Place) -> None:
    shutil.rmtree(place.path, ignore_errors=True)
    place.path.unlink(missing_ok=True)
    if place.single:
        place.manifest.unlink(missing_ok=True)
