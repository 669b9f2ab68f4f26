"""Layers and tables of any format, their features and the values of some columns.

GeoPackages are read with ``sqlite3``, text tables with ``csv``, everything else by OGR.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from ..catalog.errors import SourceError
from ..catalog.geopackage import quote
from ..catalog.lock import assert_not_live
from ..catalog.records import CodedDomains, Column, Feature, SqlValue, Srs
from . import srs
from .csv_table import CsvFormat, csv_format, csv_rows
from .esri_items import GeodatabaseItems, file_geodatabase_items
from .gdal_words import in_plain_words
from .geopackage_layer import Layer, read_features, read_layer
from .ogr import LayerInfo, layer_info, read_chunks
from .ogr import read_features as read_ogr_features
from .ogr_files import check_alone
from .related_tables import layer_names
from .sqlite_source import is_sqlite, opened
from .table_formats import FORMATS, TEXT
from .zipped_geodatabase import gdal_path

Row = tuple[int, tuple[SqlValue, ...]]
"""A row's key and the values of the columns asked for."""


class Table(ABC):
    """A layer, or a table without geometry."""

    name: str
    driver: str
    columns: tuple[Column, ...]
    domains: CodedDomains = MappingProxyType({})
    geometry_type: str | None = None
    has_z: bool = False
    srs: Srs | None = None

    @abstractmethod
    def features(self, leave_out: Collection[str] = ()) -> Iterator[Feature]:
        """Yield the rows as features, some columns left out."""

    @abstractmethod
    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the values of some columns, in the order of the features."""

    @abstractmethod
    def cell(self, column: str, row: int) -> SqlValue:
        """Return one value; None where the row is gone."""


class _GeoPackageTable(Table):
    driver = "GPKG"

    def __init__(self, path: Path, layer: Layer) -> None:
        self.name = layer.name
        self.columns = layer.columns
        self.domains = layer.domains
        self.geometry_type = layer.geometry_type
        self.has_z = layer.has_z
        self.srs = layer.srs
        self._path = path
        self._layer = layer

    def features(self, leave_out: Collection[str] = ()) -> Iterator[Feature]:
        kept = tuple(column for column in self.columns if column.name not in leave_out)
        return read_features(self._path, self._layer._replace(columns=kept))

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        key = quote(self._layer.row_key)
        names = ", ".join((key, *map(quote, columns)))
        with opened(self._path) as connection:
            for row, *values in connection.execute(
                f"SELECT {names} FROM {quote(self.name)} ORDER BY {key}"
            ):
                yield row, tuple(values)

    def cell(self, column: str, row: int) -> SqlValue:
        with opened(self._path) as connection:
            found = connection.execute(
                f"SELECT {quote(column)} FROM {quote(self.name)}"
                f" WHERE {quote(self._layer.row_key)} = ?",
                (row,),
            ).fetchone()
        value: SqlValue = found[0] if found else None
        return value


class _Streamed(Table):
    """A table that is read from its start: looking values up goes on where it stands."""

    def __init__(self) -> None:
        self._cursors: dict[str, Iterator[Row]] = {}

    def cell(self, column: str, row: int) -> SqlValue:
        for cursor in (self._cursors.get(column, iter(())), self.rows([column])):
            self._cursors[column] = cursor
            for key, (value,) in cursor:
                if key == row:
                    return value
        return None


class _CsvTable(_Streamed):
    driver = "CSV"

    def __init__(self, path: Path, form: CsvFormat) -> None:
        super().__init__()
        self.name = path.stem
        self.columns = tuple(Column(name=name, sql_type="TEXT") for name in form.columns)
        self._path = path
        self._form = form

    def features(self, leave_out: Collection[str] = ()) -> Iterator[Feature]:
        for number, values in csv_rows(self._path, self._form):
            pairs = zip(self._form.columns, values, strict=True)
            attributes = {name: value for name, value in pairs if name not in leave_out}
            yield Feature(source_fid=number, attributes=attributes)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        places = [self._form.columns.index(name) for name in columns]
        for number, values in csv_rows(self._path, self._form):
            yield number, tuple(values[place] for place in places)


class _OgrTable(_Streamed):
    def __init__(
        self,
        path: str,
        name: str,
        driver: str,
        options: dict[str, str],
        items: GeodatabaseItems,
    ) -> None:
        super().__init__()
        self.name = name
        self.driver = driver
        self._path = path
        self._options = options
        self._info = layer_info(path, name, **options)
        self.columns = items.describe(name, self._info.columns)
        self.domains = items.domains_of(self.columns)
        self.geometry_type = self._info.geometry_type
        self.has_z = self._info.has_z
        self.srs = srs.describe(self._info.crs) if self._info.crs else None

    def _only(self, names: Collection[str]) -> LayerInfo:
        kept = tuple(column for column in self.columns if column.name in names)
        return replace(self._info, columns=kept)

    def features(self, leave_out: Collection[str] = ()) -> Iterator[Feature]:
        info = self._only({c.name for c in self.columns} - set(leave_out))
        return read_ogr_features(self._path, self.name, info, global_id=None, **self._options)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        for fids, _, fields in read_chunks(
            self._path, self.name, self._only(columns), geometry=False, **self._options
        ):
            keys = fids.tolist()
            values = [fields.get(name, keys) for name in columns]
            for place, key in enumerate(keys):
                yield key, tuple(column[place] for column in values)


def open_tables(path: Path) -> list[Table]:
    """Return the layers and tables of a data source.

    Raises:
        SourceError: It cannot be read.
    """
    assert_not_live(path)
    if path.suffix.lower() in TEXT:
        return [_CsvTable(path, csv_format(path))]
    if is_sqlite(path) and path.suffix.lower() != ".sqlite":
        return _geopackage_tables(path)
    return _ogr_tables(path)


def _geopackage_tables(path: Path) -> list[Table]:
    tables: list[Table] = []
    with opened(path) as connection:
        for name in layer_names(path, connection):
            key = _row_key(connection, name)
            if key is not None:
                tables.append(_GeoPackageTable(path, read_layer(connection, name, key)))
    return tables


def _row_key(connection: sqlite3.Connection, name: str) -> str | None:
    """Return what names the rows where no primary key does; None for a view without any."""
    (kind,) = connection.execute(
        "SELECT type FROM sqlite_master WHERE name = ?", (name,)
    ).fetchone()
    if kind == "table":
        return "rowid"
    first = connection.execute(f"PRAGMA table_xinfo({quote(name)})").fetchone()
    return str(first[1]) if first and "INT" in first[2].upper() else None


def _ogr_tables(path: Path) -> list[Table]:
    form = FORMATS.get(path.suffix.lower())
    where = f"{form.prefix}{path}" if form else gdal_path(path)
    options = dict(form.options) if form else {}
    if form:
        check_alone(path)
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(where)]
        driver = form.driver if form else "OpenFileGDB"
        items = GeodatabaseItems() if form else file_geodatabase_items(where)
        return [_OgrTable(where, name, driver, options, items) for name in names]
    except (DataSourceError, DataLayerError) as error:
        raise SourceError(f"{path}: cannot be read: {in_plain_words(error)}") from error
