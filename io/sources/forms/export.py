"""The files of an export: a folder, a ZIP archive, or a folder with ZIP archives in it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO, Self

from ....catalog.errors import ItemError
from ....catalog.lock import assert_not_live
from ....catalog.records import Item, ItemStatus
from ...sniff import HEAD_BYTES, content_type, describe
from ..folder import image_of, walk
from .archive import DAMAGED, Archive, is_archive
from .names import is_image_name

_LARGE = 64 << 20
"""Bytes of a member that is only read whole where it is an image."""


class Export:
    """Files by key: the path relative to the root, through archives that lie in it.

    Names from an archive are keys only; a path is made of the root and a key that the
    root's own listing gave.
    """

    def __init__(self, root: Path) -> None:
        """Open a folder or a ZIP archive.

        Raises:
            SourceError: Not readable.
        """
        self.root = root
        self._stack = ExitStack()
        self._archive = cache(self._open_archive)
        self._whole = None if root.is_dir() else self._archive(root)

    def keys(self) -> Iterator[str]:
        """Yield the files in a fixed order; an archive in a folder gives its members instead."""
        if self._whole is not None:
            yield from self._whole.members
            return
        for name in walk(self.root):
            path = self.root / name
            if path.suffix.lower() == ".zip" and is_archive(path):
                yield from (f"{name}/{member}" for member in self._archive(path).members)
            else:
                yield name

    def path(self, key: str) -> Path | None:
        """Return the path of a file; None where it is in an archive."""
        if self._whole is not None or ".." in PurePosixPath(key).parts:
            return None
        path = self.root / key
        return path if path.is_relative_to(self.root) and path.is_file() else None

    def open(self, key: str) -> IO[bytes]:
        """Open a file as a stream.

        Raises:
            ItemError: Gone, or not readable.
        """
        path = self.path(key)
        if path is None:
            archive, name = self._member(key)
            return archive.open(name)
        assert_not_live(path)
        try:
            return open(path, "rb")
        except OSError as error:
            raise ItemError(f"cannot be read: {error.strerror}") from error

    def fetch(self, key: str) -> Path | bytes:
        """Return where a file is: its path, or its bytes where it is in an archive.

        Raises:
            ItemError: Gone, or not readable.
        """
        path = self.path(key)
        if path is not None:
            return path
        archive, name = self._member(key)
        return archive.read(name)

    def image(self, key: str) -> tuple[Item, Path | bytes | None]:
        """Return a file as an item, whatever its state, and where its image would be."""
        if self._whole is None and not self._archive_of(key):
            return image_of(self.root, key)
        name = PurePosixPath(key).name
        item = Item(kind="attachment", source_key=key, name=name)
        claimed = is_image_name(name)
        try:
            archive, member = self._member(key)
            size = archive.members[member].file_size
            start = head(self, key, HEAD_BYTES)
            if size > _LARGE and not claimed and content_type(start) is None:
                reason = f"not an image but {describe(start)}"
                return replace(item, status="skipped", reason=reason, byte_size=size), None
            return item, archive.read(member)
        except ItemError as error:
            status: ItemStatus = "unreadable" if claimed else "skipped"
            return replace(item, status=status, reason=str(error)), None

    def close(self) -> None:
        """Close every archive."""
        self._stack.close()

    def __enter__(self) -> Self:
        """Return the export itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every archive."""
        self.close()

    def _open_archive(self, path: Path) -> Archive:
        return self._stack.enter_context(Archive(path))

    def _member(self, key: str) -> tuple[Archive, str]:
        if self._whole is not None:
            return self._whole, key
        found = self._archive_of(key)
        if found is None:
            raise ItemError(f"{self.root / key} is gone")
        return self._archive(self.root / found), key[len(found) + 1 :]

    def _archive_of(self, key: str) -> str | None:
        """Return the archive that a key leads through."""
        start = key.lower().find(".zip/")
        while start >= 0:
            name = key[: start + 4]
            if self.path(name) is not None:
                return name
            start = key.lower().find(".zip/", start + 1)
        return None


def open_export(path: Path) -> Export:
    """Open the export that a path stands for: a table stands for the folder it lies in.

    Raises:
        SourceError: Not readable.
    """
    return Export(path if path.is_dir() or is_archive(path) else path.parent)


def head(export: Export, key: str, size: int) -> bytes:
    """Return the first bytes of a file; nothing of one that cannot be read."""
    try:
        with export.open(key) as file:
            return file.read(size)
    except (ItemError, *DAMAGED):
        return b""
