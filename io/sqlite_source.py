"""SQLite databases of others: opened read-only, one row at a time."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote as quote_uri

from ..catalog.errors import SourceError, first_line
from ..catalog.geopackage import quote
from ..catalog.lock import assert_not_live
from ..catalog.records import Feature
from .ogr import locations, normalise_guid

_CHUNK = 2_000
_MAGIC = b"SQLite format 3\x00"


class ColumnInfo(NamedTuple):
    """One column as its table declares it."""

    name: str
    declared: str
    """The declared type; empty where there is none."""
    is_key: bool
    """Whether it is the primary key, or its first column."""
    is_whole_key: bool
    """Whether it alone is the primary key."""


def header(path: Path) -> bytes | None:
    """Return the 100 bytes of an SQLite header; None for a file that is no database."""
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        head = file.read(100)
    return head if head.startswith(_MAGIC) else None


def is_sqlite(path: Path) -> bool:
    """Return whether a file is an SQLite database."""
    return header(path) is not None


@contextmanager
def opened(path: Path, what: str = "a GeoPackage") -> Iterator[sqlite3.Connection]:
    """Open a database so that nothing is written to it or beside it.

    Args:
        path: The file.
        what: What it should be, for the message: ``a GeoPackage``.

    Raises:
        SourceError: It cannot be read, now or while it is open.
    """
    assert_not_live(path)
    try:
        with closing(_connect(path)) as connection:
            yield connection
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read as {what}: {first_line(error)}") from error


def _connect(path: Path) -> sqlite3.Connection:
    """Open read-only; a database in WAL mode on a read-only medium only opens as immutable.

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


def table_columns(connection: sqlite3.Connection, table: str) -> list[ColumnInfo]:
    """Return the columns of a table in their order; none where there is no such table."""
    rows = connection.execute(f"PRAGMA table_xinfo({quote(table)})").fetchall()
    alone = sum(row[5] > 0 for row in rows) == 1
    return [
        ColumnInfo(name, declared or "", key == 1, alone and key == 1)
        for _, name, declared, _, _, key, _ in rows
    ]


def read_features(
    cursor: sqlite3.Cursor,
    names: Sequence[str],
    crs: str | None,
    to_wkb: Callable[..., bytes | None],
    *,
    global_id: str | None = None,
) -> Iterator[Feature]:
    """Yield features of a query, a chunk at a time.

    Args:
        cursor: Rows of the row key, the attributes, and what the geometry is made of.
        names: The attributes.
        crs: The reference system as WKT or ``EPSG:n``.
        to_wkb: Makes WKB of the rest of a row.
        global_id: The attribute that holds a GUID by which attachments refer to features.
    """
    start, end = 1, 1 + len(names)
    while rows := cursor.fetchmany(_CHUNK):
        shapes = [to_wkb(*row[end:]) for row in rows]
        for row, wkb, place in zip(rows, shapes, locations(shapes, crs), strict=True):
            attributes = dict(zip(names, row[start:end], strict=True))
            guid = attributes.get(global_id) if global_id else None
            yield Feature(
                source_fid=row[0],
                global_id=normalise_guid(str(guid)) if guid else None,
                geometry=wkb,
                location=place,
                attributes=attributes,
            )
