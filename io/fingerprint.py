"""Telling cheaply whether an input may have changed since it was scanned."""

import hashlib
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

_VERSION = "5"
"""Of what a scan finds; another one makes every input be scanned anew."""
_SETTLED_S = 2.0
"""A file may change twice within one tick of its clock; younger files are not trusted."""
_FAST = 0.1
"""Part of that where the clock of the file system ticks every few milliseconds."""
_NS_PER_S = 1_000_000_000
_GEOPACKAGE = re.compile(r"\.gpkg(\.lock|-journal|-wal|-shm)?$", re.IGNORECASE)


def fingerprint(paths: Iterable[Path], *facts: object) -> str | None:
    """Return a text that changes with names, sizes and times of files.

    What a run writes beside its input must not make that look changed for ever: in a folder
    only the name of a GeoPackage counts, and class rasters do not count. No scan reads them.

    Args:
        paths: Files and folders. Of a folder all files count, however deep; of a file its
            companions too, which have its name up to the first dot.
        facts: Whatever else a scan depends on.

    Returns:
        None where a file is so young that a change might not show, or cannot be looked at.
    """
    digest = hashlib.sha256(_bytes((_VERSION, *facts)))
    newest = 0
    try:
        for file, is_read in _files(paths):
            digest.update(_bytes(str(file)))
            if is_read:
                status = file.stat()
                times = (status.st_mtime_ns, status.st_ctime_ns)
                newest = max(newest, *times)
                digest.update(_bytes((status.st_size, *times, status.st_ino)))
    except OSError:
        return None
    return digest.hexdigest() if _is_settled(newest) else None


def _is_settled(newest: int) -> bool:
    """Return whether another change would show; a clock that tells parts of a second ticks fast."""
    ticks_fast = newest % _NS_PER_S != 0
    return newest < time.time_ns() - _SETTLED_S * (_FAST if ticks_fast else 1) * _NS_PER_S


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield files, and whether more of them counts than the name."""
    named: defaultdict[Path, set[str]] = defaultdict(set)
    for path in paths:
        if path.is_dir():
            yield from _below(path)
        else:
            named[path.parent].add(path.name)
    for folder in sorted(named):
        yield from _with_companions(folder, named[folder])


def _with_companions(folder: Path, names: set[str]) -> Iterator[tuple[Path, bool]]:
    stems = {_stem(name) for name in names}
    asked = tuple(name for name in names if _GEOPACKAGE.search(name))
    for file in sorted(folder.iterdir()):
        counts = not _GEOPACKAGE.search(file.name) or file.name.startswith(asked)
        if counts and _stem(file.name) in stems and file.is_file():
            yield file, True


def _below(root: Path) -> Iterator[tuple[Path, bool]]:
    for folder, subfolders, files in os.walk(root):
        rasters = {f"{name[:-5]}_rasters" for name in files if name.endswith(".gpkg")}
        subfolders[:] = sorted(name for name in subfolders if name not in rasters)
        for name in sorted(files):
            yield Path(folder, name), not _GEOPACKAGE.search(name)


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _bytes(fact: object) -> bytes:
    return repr(fact).encode("utf-8", "surrogateescape")
