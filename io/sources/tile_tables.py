"""Rasters in an SQLite database: tile tables of a GeoPackage, MBTiles. Each table is an image."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...catalog.errors import ItemError, SourceError
from ...catalog.records import Dataset, Item, Scan
from ..content import measured
from ..image import Image
from ..probe import probe
from ..raster import Raster
from ..scan_options import ScanOptions
from ..sqlite_source import is_sqlite, opened, table_columns

KIND = "tile_tables"
IS_WHOLE = True

_RASTERS = ("tiles", "2d-gridded-coverage")


class TileTable:
    """How to get at a raster in a database."""

    def __init__(self, path: Path, table: str) -> None:
        """Take the file and the table; none for MBTiles."""
        self._path = path
        self._table = table

    def open(self) -> Image:
        """Open it by GDAL, at its finest zoom level.

        Raises:
            ItemError: It cannot be read.
        """
        if not self._path.is_file():
            raise ItemError(f"{self._path} is gone")
        if self._table:
            return Raster(self._path, "GPKG", table=self._table)
        return Raster(self._path, "MBTiles")

    def content(self) -> tuple[int | None, str]:
        """Return the size of the database, and a hash of it and the name of the table."""
        size, sha256 = measured(self._path)
        return size, hashlib.sha256(f"{sha256} {self._table}".encode()).hexdigest()


def matches(path: Path) -> bool:
    """Return whether this is a database with rasters and without features."""
    if not is_sqlite(path):
        return False
    try:
        with opened(path) as connection:
            if _is_mbtiles(connection):
                return True
            kinds = [kind for _, kind in _contents(connection)]
    except SourceError:
        return False
    return "features" not in kinds and any(kind in _RASTERS for kind in kinds)


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield one dataset per table, each of one item."""
    with opened(path, "a GeoPackage or MBTiles") as connection:
        tables = [name for name, kind in _contents(connection) if kind in _RASTERS]
        if _is_mbtiles(connection):
            tables = [""]
    chosen = [t for t in tables if options.layer is None or t.lower() == options.layer.lower()]
    if not chosen:
        listing = ", ".join(filter(None, tables)) or "none"
        raise SourceError(f"{path}: no tile table {options.layer}; there are {listing}")
    for table in chosen:
        item = Item(kind="member", source_key=table or path.name, name=table or path.name)
        reference = TileTable(path, table)
        yield Scan(
            dataset=Dataset(kind=KIND, uri=str(path), layer=table),
            items=[probe(item, reference, claimed=True)],
        )


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], TileTable]]:
    """Fetch the table."""
    yield lambda _: TileTable(Path(dataset.uri), dataset.layer)


def _contents(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    if not table_columns(connection, "gpkg_contents"):
        return []
    return connection.execute(
        "SELECT table_name, data_type FROM gpkg_contents ORDER BY rowid"
    ).fetchall()


def _is_mbtiles(connection: sqlite3.Connection) -> bool:
    names = {column.name.lower() for column in table_columns(connection, "tiles")}
    has_metadata = bool(table_columns(connection, "metadata"))
    is_geopackage = bool(table_columns(connection, "gpkg_contents"))
    return {"zoom_level", "tile_data"} <= names and has_metadata and not is_geopackage
