"""Who may touch a catalog file: one run at a time, and one copy of SQLite per process.

A process that imports rasterio, fiona, pyogrio and TensorFlow holds several copies of
SQLite. POSIX locks belong to the process, so a second copy (or a plain ``open``) that
closes the file drops the locks of ours, and commits are lost. Hence the rule that
:func:`assert_not_live` enforces: while a catalog is open here, nothing but ``sqlite3``
touches its file. See "How To Corrupt An SQLite Database File", section 2.2.1.
"""

import os
import re
import stat
import threading
from collections import Counter
from pathlib import Path
from typing import IO

from .errors import CatalogBusyError, CatalogError

_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_SIGNED = re.compile(r"(process \d+)?", re.ASCII)
_LONGEST = 100
"""Characters of a lock file, and more."""
_SIDE_FILES = ("", ".lock", "-journal", "-wal", "-shm")

_counting = threading.Lock()
_opened: Counter[Path] = Counter()
_live: dict[Path, tuple[int, int] | None] = {}


def _inode(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino)


def mark_live(path: Path) -> None:
    """Note that this process has the catalog open."""
    with _counting:
        _opened[path] += 1
        _live[path] = _inode(path)


def unmark_live(path: Path) -> None:
    """Note that this process closed the catalog once."""
    with _counting:
        _opened[path] -= 1
        if _opened[path] <= 0:
            del _opened[path]
            _live.pop(path, None)


def live() -> tuple[Path, ...]:
    """Return the catalogs that this process has open."""
    return tuple(_live)


def assert_not_live(path: str | os.PathLike[str]) -> None:
    """Refuse a file that is an open catalog, whatever name or link leads to it.

    Raises:
        CatalogError: The file is open as a catalog in this process.
    """
    inode = _inode(path)
    if inode is not None and inode in _live.values():
        raise CatalogError(f"{os.fspath(path)} is the open catalog; give another file")


def check_journal(catalog: Path) -> None:
    """Refuse a journal that names another one: SQLite would delete what it names, anywhere.

    Ours never do, as a commit is about one database. The name stands at the end, before a fixed
    number. Source: sqlite.org/fileformat.html, and ``writeSuperJournal`` in pager.c.

    Raises:
        CatalogError: It does.
    """
    journal = catalog.with_name(f"{catalog.name}-journal")
    if _is_odd(journal):
        raise CatalogError(f"{journal} is no journal; if it is not yours, remove it")
    try:
        with open(journal, "rb") as file:
            file.seek(-len(_JOURNAL_MAGIC), os.SEEK_END)
            is_of_several = file.read() == _JOURNAL_MAGIC
    except OSError:  # there is none, or it is too short for a name
        return
    if is_of_several:
        raise CatalogError(
            f"{journal} is about several databases, which none of pixelcat is; if it is not yours,"
            " delete it"
        )


def rasters_folder(catalog: Path) -> Path:
    """Return the folder of a catalog's class rasters: ``<stem>_rasters`` beside it."""
    return catalog.with_name(f"{catalog.stem}_rasters")


def belongs_to_live(path: Path) -> bool:
    """Return whether a path is an open catalog's: its file, lock, journal or rasters."""
    inode = _inode(path)
    return (inode is not None and inode in _live.values()) or any(
        path == rasters_folder(catalog) or path.name in {catalog.name + s for s in _SIDE_FILES}
        for catalog in _live
        if path.parent == catalog.parent
    )


class RunLock:
    """The right to write a catalog, or a draft: an advisory lock on ``<path>.lock``.

    The kernel releases it when the process ends, however it ends.
    """

    def __init__(self, catalog: Path) -> None:
        """Take the lock.

        Raises:
            CatalogBusyError: Another process holds it.
            CatalogError: The folder is not writable, or its file system has no locks.
        """
        self._path = Path(f"{catalog}.lock")
        self._file = self._open(catalog)
        while not self._is_locked(catalog):
            self._file.close()
            self._file = self._open(catalog)
        try:
            self._sign()
        except OSError as error:
            self._file.close()
            raise _unwritable(catalog, error) from error

    def _open(self, catalog: Path) -> IO[str]:
        """Open the file, which must be ours: what a link leads to would be written over."""
        if _is_odd(self._path):
            raise CatalogError(f"{self._path} is no file of pixelcat; remove it")
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        try:
            descriptor = os.open(self._path, flags, 0o666)
        except OSError as error:
            raise _unwritable(catalog, error) from error
        return open(descriptor, "r+", encoding="utf-8", errors="replace")

    def _sign(self) -> None:
        """Write who holds it.

        Raises:
            OSError: The disk is full.
            CatalogError: There is something in it that no lock has.
        """
        self._file.seek(0)
        if not _SIGNED.fullmatch(self._file.read(_LONGEST)):
            self._file.close()
            raise CatalogError(f"{self._path} is no file of pixelcat; remove it")
        os.ftruncate(self._file.fileno(), 0)
        os.write(self._file.fileno(), f"process {os.getpid()}".encode())

    def _is_locked(self, catalog: Path) -> bool:
        """Lock the file; False where its last holder removed it between opening and locking."""
        try:
            is_ours = _try_lock(self._file)
        except OSError as error:
            self._file.close()
            raise CatalogError(
                f"{catalog}: its file system has no locks ({error.strerror}); keep the catalog on a"
                " local disk"
            ) from error
        if not is_ours:
            self._file.seek(0)
            holder = self._file.read(_LONGEST).strip() or "another process"
            self._file.close()
            raise CatalogBusyError(f"{catalog} is in use by {holder}; wait for it to end")
        held = os.fstat(self._file.fileno())
        return _inode(self._path) == (held.st_dev, held.st_ino)

    def release(self) -> None:
        """Give the lock back and remove its file."""
        if os.name == "posix":  # elsewhere an open file cannot be removed
            self._path.unlink(missing_ok=True)
        self._file.close()


def _is_odd(path: Path) -> bool:
    """Return whether there is something that is no regular file: a link, a pipe, a folder."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _unwritable(catalog: Path, error: OSError) -> CatalogError:
    return CatalogError(f"cannot write beside {catalog}: {error.strerror}")


def _try_lock(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: an open file cannot be replaced there, SQLite's locks suffice
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
