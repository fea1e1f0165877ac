"""What the doctor sees of this machine: its clock, its disks, its limits."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

from edge.config import AgentConfig
from ingest import doctor_findings as judge
from ingest.doctor_findings import Finding, Level

_TIMEX_BYTES = 256  # struct timex has 208 on 64-bit Linux
_ERROR_AT = 32  # esterror, microseconds, in it


def look(agent: AgentConfig, meminfo: Path = Path("/proc/meminfo")) -> Iterator[Finding]:
    """Yield the findings about this machine."""
    yield _clock()
    if agent.spool_dir:
        yield free("spool", Path(agent.spool_dir))
    yield _memory(meminfo)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield judge.open_files(soft)


def free(about: str, folder: Path) -> Finding:
    """Judge the free space of a folder's disk."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return Finding(about, Level.SKIP, f"{folder} cannot be looked at: {error.strerror}")
    return judge.space(about, str(folder), usage.free, usage.total)


def _clock() -> Finding:
    """Ask the kernel, without changing anything, whether somebody keeps its clock."""
    if struct.calcsize("l") != 8:
        return Finding("ntp", Level.SKIP, "not looked at: only on 64-bit systems")
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes 0: only read
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    except (OSError, AttributeError):
        return Finding("ntp", Level.SKIP, "not looked at: this system has no adjtimex")
    if state < 0:
        return Finding("ntp", Level.SKIP, f"not looked at: {os.strerror(ctypes.get_errno())}")
    (error_us,) = struct.unpack_from("l", timex, _ERROR_AT)
    return judge.synchronised(state, error_us)


def _memory(meminfo: Path) -> Finding:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError as error:
        return Finding("memory", Level.SKIP, f"{meminfo} cannot be read: {error.strerror}")
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if ":" in line}
    return judge.memory(kilobytes["MemAvailable"] * 1024, kilobytes["MemTotal"] * 1024)
