"""Telling cheaply whether an input may have changed since it was scanned."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_SETTLED_S = 2.0
"""A file may change twice within one tick of its clock; younger files are not trusted."""


def fingerprint(path: Path, version: str) -> str | None:
    """Return a text that changes with names, sizes and times of an input's files.

    Args:
        path: A file or a folder; of a folder all files count, however deep.
        version: Anything else that a scan depends on.

    Returns:
        None where a file is so young that a change might not show, or cannot be looked at.
    """
    digest = hashlib.sha256(version.encode())
    newest = 0.0
    try:
        for name, file in _files(path):
            status = file.stat()
            newest = max(newest, status.st_mtime, status.st_ctime)
            facts = (name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            digest.update(repr(facts).encode("utf-8", "surrogateescape"))
    except OSError:
        return None
    return digest.hexdigest() if newest < time.time() - _SETTLED_S else None


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield names and paths; of a file its companions too, which begin with its stem."""
    if not path.is_dir():
        for beside in sorted(path.parent.iterdir()):
            if beside.name.startswith(path.stem) and beside.is_file():
                yield beside.name, beside
        return
    for folder, subfolders, files in os.walk(path):
        subfolders.sort()
        for name in sorted(files):
            file = Path(folder) / name
            yield file.relative_to(path).as_posix(), file
