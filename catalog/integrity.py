"""What a catalog says of itself, checked within the file."""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from .geopackage import quote

_RASTERS = """
SELECT o.run_id, i.name, o.raster_path AS path, o.sha256 FROM outputs o
  JOIN items i ON i.id = o.item_id WHERE o.status = 'done'
UNION ALL
SELECT o.run_id, i.name, e.raster_path, e.sha256 FROM extra_rasters e
  JOIN outputs o ON o.id = e.output_id JOIN items i ON i.id = o.item_id
ORDER BY path
"""


class RasterRow(NamedTuple):
    """A raster that a catalog lists."""

    run_id: int
    image_name: str
    path: str
    """Relative to the folder of the catalog."""
    sha256: str


def damages(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with the file itself, a line each."""
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"damaged: {line}"
    for table, row, other, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} belongs to a row of {other} that is not there"


def rasters(connection: sqlite3.Connection) -> list[RasterRow]:
    """Return every raster that outputs name, a row for each output."""
    return [RasterRow(*row) for row in connection.execute(_RASTERS)]


def mosaic_tiles(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield (index, relative path) of the tiles of all mosaics of class rasters."""
    tables = connection.execute(
        "SELECT table_name FROM gpkg_contents WHERE table_name GLOB 'class_mosaic_[0-9]*'"
    ).fetchall()
    for (table,) in tables:
        for (location,) in connection.execute(f"SELECT location FROM {quote(table)}"):
            yield table, location


def sources(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return (kind, place) of the datasets."""
    return connection.execute("SELECT DISTINCT kind, uri FROM datasets ORDER BY id").fetchall()
