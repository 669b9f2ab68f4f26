"""The bytes of an image, wherever they are: whether there are any, and their hash."""

import hashlib
from pathlib import Path

from ..catalog.errors import ItemError
from ..catalog.lock import assert_not_live
from .reference import Where
from .watch import goes_on

_CHUNK = 1 << 20


def file_at(path: Path) -> Path:
    """Return the path of an image that was found there.

    Raises:
        ItemError: It is no file any more.
    """
    if path.is_file():
        return path
    raise ItemError(f"{path} {'is no regular file any more' if path.exists() else 'is gone'}")


def digest(where: Where) -> str:
    """Return the SHA-256 of an image, in lower-case hex.

    Raises:
        ItemError: The file cannot be read.
    """
    return measured(where)[1]


def measured(where: Where) -> tuple[int | None, str]:
    """Return size and SHA-256 of an image; see :func:`digest`."""
    if not isinstance(where, Path | bytes):
        return where.content()
    if isinstance(where, bytes):
        return len(where), hashlib.sha256(where).hexdigest()
    assert_not_live(where)
    found, size = hashlib.sha256(), 0
    try:
        with open(where, "rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
                size += len(chunk)
                goes_on()
    except OSError as error:
        raise ItemError(f"cannot be read: {error.strerror}") from error
    return size, found.hexdigest()
