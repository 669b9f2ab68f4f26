"""An SQLite database that is a source: opened read-only, and nothing is made beside it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote as quote_uri

from ..catalog.errors import SourceError, first_line
from ..catalog.lock import assert_not_live


def is_sqlite(path: Path) -> bool:
    """Return whether a file is an SQLite database."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(16) == b"SQLite format 3\x00"


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open read-only; a database in WAL mode on a read-only medium only opens as immutable."""
    assert_not_live(path)
    try:
        with closing(_connect(path)) as connection:
            yield connection
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read as a GeoPackage: {first_line(error)}") from error


def _connect(path: Path) -> sqlite3.Connection:
    """Open a database so that nothing is written beside it.

    In WAL mode even a reader makes files, so a database that nobody has open (no ``-wal``
    beside it) is opened as immutable.
    """
    uri = f"file:{quote_uri(os.fsencode(path))}?mode=ro"
    with open(path, "rb") as file:
        is_wal = file.read(20)[18:] == b"\x02\x02"
    if is_wal and not path.with_name(f"{path.name}-wal").exists():
        uri += "&immutable=1"
    connection = sqlite3.connect(uri, uri=True)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection
