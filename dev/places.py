"""Choose folders, ports and accounts for the private servers of a project folder.

Servers refuse to run as root, so as root they run as their own accounts, and these must be able to
walk to their files: a project below somebody's private home gets its state under /var/tmp.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import socket
import stat
from pathlib import Path

from core.errors import MissingPrerequisite

LOOPBACK = "127.0.0.1"
_PORTS = range(15_000, 32_000)
_TRIES = 200


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on now.

    It lies below those that the system gives to outgoing connections, which would otherwise take it
    before its server is up; and it is drawn, so that two who ask at once hardly get the same.
    """
    for _ in range(_TRIES):
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise MissingPrerequisite(
        f"no free TCP port among {_TRIES} tried from {_PORTS.start} to {_PORTS.stop - 1}",
        remedy="end programs that listen there: ss -ltn",
    )


def account_for(name: str) -> str:
    """Return the account a server runs as: ``name`` when we are root, else empty for our own."""
    return name if os.geteuid() == 0 else ""


def open_to_others(folder: Path) -> bool:
    """Return whether any account can walk to ``folder``; a part that does not exist yet is ours."""
    return all(
        part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents) if part.exists()
    )


def state_folder(project: Path, *, as_root: bool, fallback: Path = Path("/var/tmp")) -> Path:  # noqa: S108 - the one place every account can reach; the folder itself is made by us
    """Return where the private servers of ``project`` keep their data.

    That is ``.blocktwin`` in the project; for root under a private parent it is a folder in
    ``fallback`` named after the project's path.
    """
    if not as_root or open_to_others(project):
        return project / ".blocktwin"
    digest = hashlib.sha256(str(project).encode()).hexdigest()[:12]
    return fallback / f"blocktwin-{digest}"


def make_private(folder: Path, account: str = "") -> Path:
    """Make a folder that only ``account`` (empty: we) may enter, and return it.

    Raises:
        KeyError: if the account does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if account:
        owner = pwd.getpwnam(account)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder


def write_private(path: Path, text: str, account: str = "") -> Path:
    """Write a file that only ``account`` (empty: we) may read, at no moment anybody else."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if account:
        shutil.chown(path, account, account)
    return path
