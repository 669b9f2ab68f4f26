"""Class maps inside the catalog: related media (OGC 18-000) of an output feature class."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from . import geopackage
from .errors import ItemError
from .geopackage import quote
from .listed_rasters import listed_raster
from .lock import assert_not_live

CONTENT_TYPE = "image/tiff"
_CHUNK = 1 << 20
_LINKS = "_links"


class _Tables(NamedTuple):
    media: str
    links: str


def create(connection: sqlite3.Connection, table: str) -> None:
    """Make the media tables of an output feature class, where it has none."""
    if _tables(connection, table):
        return
    name = geopackage.free_name(connection, f"{table}_media", ("", _LINKS))
    found = _Tables(name, name + _LINKS)
    connection.execute(
        f"CREATE TABLE {quote(found.media)} (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,"
        " content_type TEXT NOT NULL, title TEXT, item_id INTEGER, sha256 TEXT,"
        " data BLOB NOT NULL)"  # last: SQLite reads past a BLOB to what comes behind it
    )
    connection.execute(
        f"CREATE TABLE {quote(found.links)} (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,"
        " base_id INTEGER NOT NULL, related_id INTEGER NOT NULL)"
    )
    geopackage.register_attributes(connection, *found)
    geopackage.register_relation(
        connection, (table, "fid"), (found.media, "id"), found.links, kind="media"
    )


def refresh(connection: sqlite3.Connection, table: str, folder: Path) -> None:
    """Bring the media of an output feature class, where it has any, to its present rows.

    Args:
        connection: Of the catalog, in a transaction.
        table: The output feature class.
        folder: What the paths of class maps are relative to.
    """
    found = _tables(connection, table)
    if found is None:
        return
    wanted = {
        (item_id, digest): (name, path)
        for item_id, digest, name, path in connection.execute(
            f"SELECT t.item_id, o.sha256, t.image_name, o.raster_path FROM {quote(table)} t JOIN"
            " outputs o ON o.item_id = t.item_id AND o.raster_path = t.classified_image"
            " WHERE t.status = 'done' ORDER BY t.fid DESC, o.id"
        )
    }
    media = quote(found.media)
    for media_id, *key in connection.execute(f"SELECT id, item_id, sha256 FROM {media}").fetchall():
        if wanted.pop(tuple(key), None) is None:
            connection.execute(f"DELETE FROM {media} WHERE id = ?", (media_id,))
    for (item_id, digest), (name, path) in reversed(wanted.items()):
        _add(connection, found.media, (name, item_id, digest), folder, path)
    connection.execute(f"DELETE FROM {quote(found.links)}")
    connection.execute(
        f"INSERT INTO {quote(found.links)} (base_id, related_id) SELECT t.fid, m.id"
        f" FROM {quote(table)} t JOIN {media} m USING (item_id) WHERE t.status = 'done'"
    )


def missing(connection: sqlite3.Connection, table: str) -> int:
    """Return how many classified images of an output feature class have no media."""
    found = _tables(connection, table)
    if found is None:
        return 0
    (count,) = connection.execute(
        f"SELECT count(DISTINCT item_id) FROM {quote(table)} WHERE status = 'done'"
        f" AND item_id NOT IN (SELECT item_id FROM {quote(found.media)})"
    ).fetchone()
    return int(count)


def names(connection: sqlite3.Connection, table: str) -> Sequence[str]:
    """Return the tables with the media of an output feature class and their links, if any."""
    return _tables(connection, table) or ()


def forget(connection: sqlite3.Connection, table: str) -> None:
    """Remove the media of an output feature class."""
    for name in names(connection, table):
        geopackage.drop_table(connection, name)


def _tables(connection: sqlite3.Connection, table: str) -> _Tables | None:
    row = connection.execute(
        "SELECT related_table_name, mapping_table_name FROM gpkgext_relations"
        " WHERE base_table_name = ? AND relation_name = 'media'",
        (table,),
    ).fetchone()
    return None if row is None else _Tables(*row)


def _add(
    connection: sqlite3.Connection, table: str, row: tuple[str, int, str], folder: Path, name: str
) -> None:
    """Add a class map, chunk by chunk; nothing where it is gone or too large for SQLite."""
    assert_not_live(folder / name)  # it may have been changed to the catalog itself
    try:
        file = listed_raster(folder, name).open("rb")
    except (ItemError, OSError):
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH):
            return
        row_id = connection.execute(
            f"INSERT INTO {quote(table)} (content_type, title, item_id, sha256, data)"
            " VALUES (?, ?, ?, ?, zeroblob(?))",
            (CONTENT_TYPE, *row, size),
        ).lastrowid
        with connection.blobopen(table, "data", row_id or 0) as blob:
            while chunk := file.read(_CHUNK):
                blob.write(chunk)
