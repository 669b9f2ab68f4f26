"""ZIP archives from strangers: their files by name, read one at a time, never unpacked."""

import stat
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import IO, Self

from ....catalog.errors import ItemError, SourceError
from ....catalog.lock import assert_not_live
from ...zip_members import BROKEN, too_many, unbounded

MAX_BYTES = 1 << 30
"""Of one member."""
_DEEPEST = 100
"""Folders in one another: a file is listed below each of them."""
_UTF8 = 0x800
_ENCRYPTED = 0x1
DAMAGED = (*BROKEN, OSError)
"""What reading a damaged member raises, whichever way it is packed."""


class Archive:
    """An open ZIP archive; its names are keys and never become paths."""

    def __init__(self, path: Path) -> None:
        """Open an archive and read its directory.

        Raises:
            SourceError: No readable ZIP archive, or one with too many files.
        """
        assert_not_live(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGED as error:
            raise SourceError(f"{path}: not a readable ZIP archive: {error}") from error
        entries = self._zip.infolist()
        reason = too_many(entries) or _refusal_of_all(entries)
        if reason:
            self._zip.close()
            raise SourceError(f"{path} {reason}")
        self.members = _by_name(entries)

    def open(self, name: str) -> IO[bytes]:
        """Open a member as a stream.

        Raises:
            ItemError: No such member, a link, encrypted, too large, or damaged.
        """
        entry = self.members.get(name)
        if entry is None:
            raise ItemError(f"{name} is gone from its ZIP archive")
        reason = _refusal(entry)
        if reason:
            raise ItemError(reason)
        try:
            return self._zip.open(entry)
        except DAMAGED as error:
            raise ItemError(f"cannot be unpacked: {error}") from error

    def read(self, name: str) -> bytes:
        """Return the bytes of a member, no more than the directory promised.

        Raises:
            ItemError: See :meth:`open`.
        """
        with self.open(name) as stream:
            try:
                return stream.read(self.members[name].file_size)
            except DAMAGED as error:
                raise ItemError(f"cannot be unpacked: {error}") from error

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()

    def __enter__(self) -> Self:
        """Return the archive itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the archive."""
        self.close()


def is_archive(path: Path) -> bool:
    """Return whether a file is a ZIP archive of files, not a spreadsheet (a ZIP inside)."""
    if not path.is_file():
        return False
    assert_not_live(path)
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"PK":
                return False
        with zipfile.ZipFile(path) as archive:
            return "[Content_Types].xml" not in archive.NameToInfo
    except DAMAGED:
        return False


def _refusal_of_all(entries: list[zipfile.ZipInfo]) -> str | None:
    if any(entry.filename.count("/") > _DEEPEST for entry in entries):
        return f"has folders nested more than {_DEEPEST} deep"
    spans = sorted((e.header_offset, e.header_offset + e.compress_size) for e in entries)
    if any(after[0] < before[1] for before, after in pairwise(spans)):
        return "has files that overlap, as an archive made to do harm"
    return None


def _by_name(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive; a name that repeats gets a number, none is lost."""
    members: dict[str, zipfile.ZipInfo] = {}
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(2))
    for entry in entries:
        name = _name(entry) or "unnamed"
        parts = name.split("/")
        if name.endswith("/") or "__MACOSX" in parts or parts[-1].startswith("."):
            continue
        key = name
        while key in members:
            key = f"{name} ({next(numbers[name])})"
        members[key] = entry
    return members


def _name(entry: zipfile.ZipInfo) -> str:
    """Return a name; many tools write UTF-8 and do not say so."""
    if entry.flag_bits & _UTF8:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _refusal(entry: zipfile.ZipInfo) -> str | None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or a device in its ZIP archive"
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted in its ZIP archive"
    if reason := unbounded(entry):
        return reason
    if entry.file_size > MAX_BYTES:
        return f"is larger than {MAX_BYTES >> 30} GiB"
    return None
