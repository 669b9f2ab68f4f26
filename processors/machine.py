"""What this machine has: processors, memory, disk, limits. Nothing is changed."""

import os
import platform
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_FEATURES = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile")
"""Instructions that TensorFlow needs (the first two) or is faster by."""
_USUAL_MEMORY = 8 << 30
"""Bytes, where the system does not say."""
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "ceph", "lustre")
"""File systems on which SQLite's locks, and ours, may not hold."""


def processor() -> tuple[str, list[str]]:
    """Return the name of the processor and which of the known features it has."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine(), []
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    return name[1] if name else platform.machine(), [each for each in _FEATURES if each in known]


def memory() -> tuple[int | None, int | None]:
    """Return bytes that are available, and the limit of our control group."""
    available = None
    with suppress(OSError):
        found = re.search(
            r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE
        )
        available = int(found[1]) * 1024 if found else None
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limit = int((_CGROUPS / name).read_text())
            return available, limit if limit < 1 << 60 else None  # v1 says nearly 2**63 for none
    return available, None


def total_memory() -> int:
    """Return how many bytes of memory the machine has, or our control group may use."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        total = _USUAL_MEMORY
    return min(total, memory()[1] or total)


def file_system(folder: Path) -> str | None:
    """Return the type of the file system that a folder is on (Linux)."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    best, kind = "", None
    place = folder.resolve()
    for line in lines:
        _, mount, type_ = line.split()[:3]
        mount = mount.replace("\\040", " ")
        if place.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, type_
    return kind


def is_network(kind: str | None) -> bool:
    """Return whether a type of file system is that of a network."""
    return kind in _NETWORK


def free_bytes(folder: Path) -> int:
    """Return what is free for us where a folder is."""
    return shutil.disk_usage(folder).free


def why_not_writable(folder: Path) -> str | None:
    """Return why no catalog can be written in a folder, None where it can: a file is tried."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".pixelcat-doctor-") as file:
            file.write(b"1")
            file.flush()
            os.fsync(file.fileno())
            return _why_not_locked(file.fileno())
    except OSError as error:
        return error.strerror or str(error)


def _why_not_locked(descriptor: int) -> str | None:
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return f"its file system has no locks: {error.strerror}"
    return None


def open_files() -> int | None:
    """Return how many files this process may have open; None for no limit."""
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
