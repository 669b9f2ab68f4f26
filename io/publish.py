"""Putting a finished file in its place so that it is there whole or not at all."""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from ..catalog.errors import CatalogBusyError, OutputError, PixelcatError, UsageError
from ..catalog.lock import RunLock

_CHUNK = 1 << 20
_MARK = ".tmp-"
_DRAFT = re.compile(rf"{re.escape(_MARK)}[0-9a-f]{{32}}(\.|$)")


def temporary_name(final: Path) -> Path:
    """Return a unique hidden name in the folder of a file to be, with its suffix."""
    return final.with_name(f"{_MARK}{uuid.uuid4().hex}{final.suffix}")


def is_draft(path: Path) -> bool:
    """Return whether a file has a name that :func:`temporary_name` gave, or stands beside one."""
    return _DRAFT.match(path.name) is not None


def publish(
    temporary: Path, final: Path, beside: Mapping[Path, Path] = MappingProxyType({})
) -> str:
    """Make a finished temporary file durable, then give it its name.

    Args:
        temporary: The file.
        final: Its name.
        beside: More such files of the folder, by their temporary names: they are durable before
            and get their names after it.

    Returns:
        The SHA-256 of the file.

    Raises:
        OutputError: The disk refused.
    """
    digest = hashlib.sha256()
    try:
        with open(temporary, "rb+") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            os.fsync(file.fileno())
        for other in beside:
            _sync_file(other)
        temporary.replace(final)
        for other, name in beside.items():
            other.replace(name)
        _sync_folder(final.parent)
    except OSError as error:
        raise OutputError(f"cannot write {final}: {error.strerror}") from error
    return digest.hexdigest()


@contextmanager
def new_file(final: Path) -> Iterator[Path]:
    """Give a hidden name beside a file to be, which gets its name where nothing goes wrong.

    Raises:
        UsageError: Something has that name, or there is no such folder.
        OutputError: The disk refused.
    """
    if final.exists() or final.is_symlink():
        raise UsageError(f"{final} exists and is left alone; choose another name")
    if not final.parent.is_dir():
        what = "it is a file" if final.parent.exists() else "make it first"
        raise UsageError(f"{final}: there is no folder {final.parent}; {what}")
    draft = temporary_name(final)
    try:
        yield draft
        publish(draft, final)
    except OSError as error:
        if isinstance(error, PixelcatError):
            raise
        raise OutputError(f"cannot write {final}: {error.strerror or error}") from error
    finally:
        discard(draft)


def write_new(final: Path, text: str, suffixes: tuple[str, ...]) -> None:
    """Write a text file that is not there yet.

    Args:
        final: The file.
        text: What it holds.
        suffixes: What its name may end in.

    Raises:
        UsageError: Something has that name, or it ends in something else.
        OutputError: The disk refused.
    """
    if final.suffix.lower() not in suffixes:
        raise UsageError(f"{final}: give it a name that ends in {' or '.join(suffixes)}")
    with new_file(final) as draft:
        draft.write_text(text, encoding="utf-8")


def publish_folder(temporary: Path, final: Path) -> None:
    """Make the files of a finished temporary folder durable, then give it its name.

    Raises:
        OutputError: The disk refused.
    """
    try:
        for path in (temporary, *temporary.rglob("*")):
            _sync_folder(path) if path.is_dir() else _sync_file(path)
        temporary.rename(final)
        _sync_folder(final.parent)
    except OSError as error:
        raise OutputError(f"cannot write {final}: {error.strerror}") from error


@contextmanager
def draft_folder(final: Path) -> Iterator[Path]:
    """Give a hidden name beside a folder to be; whatever has it at the end is removed.

    Drafts of processes that were killed are removed too: nobody holds the locks of those.

    Raises:
        CatalogError: The folder around it is not writable.
    """
    for leftover in _drafts(final):
        with suppress(CatalogBusyError), _locked(leftover):
            pass
    draft = temporary_name(final)
    with _locked(draft):
        yield draft


def _drafts(final: Path) -> set[Path]:
    """Return the drafts beside a folder to be; of some there may be a lock alone."""
    found = final.parent.glob(f"{_MARK}{'[0-9a-f]' * 32}{final.suffix}*")
    names = {path.name.removesuffix(".lock") for path in found}
    return {final.with_name(name) for name in names if name.endswith(final.suffix)}


@contextmanager
def _locked(draft: Path) -> Iterator[None]:
    """Lock a draft, and remove it at the end.

    Raises:
        CatalogBusyError: Another process writes it.
    """
    lock = RunLock(draft)
    try:
        yield
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        lock.release()


def sweep(folder: Path) -> None:
    """Remove what an interrupted run left half-written below a folder, and nothing else."""
    for leftover in folder.rglob(f"{_MARK}*"):
        if is_draft(leftover) and not leftover.is_dir():
            discard(leftover)


def discard(draft: Path) -> None:
    """Remove a file that is not finished; one that the disk keeps is left to a later sweep."""
    with suppress(OSError):
        draft.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder for outputs, so that it is there after a power failure too.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        new = [each for each in folder.parents if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in (*reversed(new), folder):
            _sync_folder(each.parent)
    except OSError as error:
        raise OutputError(f"cannot make folder {folder}: {error.strerror}") from error


def _sync_file(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
