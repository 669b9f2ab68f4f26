"""What a catalog says of itself, checked within the file; and what it lists."""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from .geopackage import quote

_RASTERS = """
SELECT o.id AS output_id, o.run_id, i.dataset_id, i.id AS item_id, i.name AS image_name,
  o.raster_path AS path, o.sha256, o.width, o.height
FROM outputs o JOIN items i ON i.id = o.item_id WHERE o.status = 'done'
"""
_EXTRA_RASTERS = """
UNION ALL
SELECT o.id, o.run_id, i.dataset_id, i.id, i.name, e.raster_path, e.sha256, o.width, o.height
FROM extra_rasters e JOIN outputs o ON o.id = e.output_id JOIN items i ON i.id = o.item_id
"""
_IMAGES = """
SELECT i.id AS item_id, i.dataset_id, i.kind, i.source_key, i.name, i.byte_size, i.sha256
FROM items i WHERE i.status = 'ready' AND i.kind IN ('file', 'attachment') AND i.sha256 NOT NULL
  AND i.dataset_id = ? ORDER BY i.id
"""


class RasterRow(NamedTuple):
    """A raster that a catalog lists, once for each output that names it."""

    output_id: int
    run_id: int
    dataset_id: int
    item_id: int
    image_name: str
    path: str
    """Relative to the folder of the catalog."""
    sha256: str | None
    width: int | None
    height: int | None


class TileRow(NamedTuple):
    """A class raster in the index of a run's class rasters."""

    run_id: int
    table: str
    location: str
    """Relative to the folder of the catalog."""
    is_listed: bool
    """Whether the output that it was made of is still there."""


class ImageRow(NamedTuple):
    """A file or attachment that can be classified."""

    item_id: int
    dataset_id: int
    kind: str
    source_key: str
    name: str
    byte_size: int | None
    sha256: str


def damages(connection: sqlite3.Connection) -> list[str]:
    """Return what is wrong with the pages of the file, a line each."""
    lines = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    return [f"damaged: {line}" for line in lines if line != "ok"]


def orphans(connection: sqlite3.Connection) -> list[str]:
    """Return the rows whose parents are not there, a line each."""
    return [
        f"row {row} of {table} belongs to a row of {other} that is not there"
        for table, row, other, _ in connection.execute("PRAGMA foreign_key_check")
    ]


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether there is a table or view of that name."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return found is not None


def rasters(connection: sqlite3.Connection) -> list[RasterRow]:
    """Return every raster that outputs name, a row for each output."""
    extra = _EXTRA_RASTERS if has_table(connection, "extra_rasters") else ""
    rows = connection.execute(f"{_RASTERS}{extra} ORDER BY path, output_id")
    return [RasterRow(*row) for row in rows]


def mosaic_tiles(connection: sqlite3.Connection) -> Iterator[TileRow]:
    """Yield the tiles of all mosaics of class rasters."""
    tables = connection.execute(
        "SELECT table_name FROM gpkg_contents WHERE table_name GLOB 'class_mosaic_[0-9]*'"
    ).fetchall()
    for (table,) in tables:
        if not has_table(connection, table):
            continue
        run_id = int(table.rpartition("_")[2])
        for location, is_listed in connection.execute(
            "SELECT t.location, EXISTS (SELECT 1 FROM outputs o WHERE o.id = t.output_id)"
            f" FROM {quote(table)} t"
        ):
            yield TileRow(run_id, table, location, bool(is_listed))


def images(connection: sqlite3.Connection, dataset_id: int) -> list[ImageRow]:
    """Return the files or attachments of a dataset, those that can be classified."""
    return [ImageRow(*row) for row in connection.execute(_IMAGES, (dataset_id,))]
