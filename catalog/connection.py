"""What every connection to a catalog shares."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import CatalogBusyError, CatalogError, first_line

BUSY_TIMEOUT_S = 30.0
"""How long to wait for another program that holds the file."""
CACHE_KIB = 64 * 1024
"""Memory for pages of the file: hashes come in no order, and their index is read all over."""


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection is in the way."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # extended codes keep it in the low byte
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, in words that say what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if is_busy(error):
            raise CatalogBusyError(
                f"{path} is locked: another program (QGIS, DB Browser) keeps it open; close it there"
            ) from error
        if "no such module: rtree" in str(error):
            raise CatalogError(
                "TensorFlow has replaced Python's sqlite3; import pixelcat before tensorflow"
            ) from error
        raise CatalogError(f"{path}: {error}") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} is not a usable catalog: {first_line(error)}") from error
