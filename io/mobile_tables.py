"""The tables of a mobile geodatabase: what they are made of, and how to select their rows."""

import sqlite3
from dataclasses import dataclass

from ..catalog.geopackage import quote, safe_type
from ..catalog.records import Column, Srs
from . import srs
from .esri_items import GeodatabaseItems, SpatialReference, read_items
from .sqlite_source import ColumnInfo, table_columns

_SYSTEM = ("gdb_", "st_", "sqlite_")
_ARCHIVE = ("gdb_archive_oid", "gdb_from_date", "gdb_to_date")
_FOREVER = 5373484.49
"""Julian day of 9999-12-31 23:59:59, less a few minutes: the end of a row that still stands."""

_TYPES = {
    "int16": "SMALLINT",
    "int32": "MEDIUMINT",
    "int64": "INTEGER",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "realdate": "DATETIME",
    "uuidtext": "TEXT(38)",
}
"""Types of a mobile geodatabase that are none of a GeoPackage."""
_KINDS = {1: "POINT"}
"""Types of geometry that are read as they are; every other is shown as its box."""
_BOX_TYPE = "POLYGON"


@dataclass(frozen=True, kw_only=True, slots=True)
class MobileTable:
    """A feature class, or a table without geometry."""

    name: str
    row_key: str
    """OBJECTID, whatever it is called."""
    columns: tuple[Column, ...]
    dates: frozenset[str]
    """Columns that hold Julian days."""
    is_archive: bool
    """Whether superseded rows are kept, as in a replica."""
    geometry_column: str | None
    geometry_type: str | None
    has_z: bool
    srs: Srs | None
    grid: SpatialReference | None
    box_index: str | None
    """The R-tree that has the boxes; None where there is none."""

    @property
    def is_boxes(self) -> bool:
        """Whether geometries are shown as their bounding boxes."""
        return self.geometry_type == _BOX_TYPE

    def select(self) -> str:
        """Return the query of row key, columns, and the parts of the geometry."""
        columns = [self._expression(column.name) for column in self.columns]
        shape, join = self._shape()
        return (
            f"SELECT {', '.join([self._key(), *columns, *shape])} FROM {quote(self.name)} t"
            f"{join} WHERE {current_rows(self.is_archive)} ORDER BY 1"
        )

    def _key(self) -> str:
        """In a replica nothing keeps the key unique: a row that repeats one gets another."""
        key = _of(self.row_key)
        if not self.is_archive:
            return key
        number = f"row_number() OVER (PARTITION BY {key} ORDER BY t.rowid)"
        return f"iif(typeof({key}) = 'integer' AND {number} = 1, {key}, -t.rowid)"

    def _expression(self, name: str) -> str:
        if name not in self.dates:
            return _of(name)
        return f"coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', {_of(name)}), {_of(name)})"

    def _shape(self) -> tuple[list[str], str]:
        if self.geometry_column is None:
            return [], ""
        if not self.is_boxes:
            return [_of(self.geometry_column)], ""
        if self.box_index is None:
            return ["NULL"] * 4, ""
        return ["b.minx", "b.maxx", "b.miny", "b.maxy"], (
            f" LEFT JOIN {quote(self.box_index)} b ON b.pkid = t.rowid"
        )


def current_rows(is_archive: bool) -> str:
    """Return the condition for rows that nothing has superseded."""
    return f"(gdb_to_date IS NULL OR gdb_to_date > {_FOREVER})" if is_archive else "1"


def read_gdb_items(connection: sqlite3.Connection) -> GeodatabaseItems:
    """Return what GDB_Items says; nothing where the database has no such table."""
    if not table_columns(connection, "GDB_Items"):
        return GeodatabaseItems()
    return read_items(row[0] for row in connection.execute("SELECT Definition FROM GDB_Items"))


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Return the tables of the user."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
    return [name for (name,) in rows if not name.lower().startswith(_SYSTEM)]


def is_archive(columns: list[ColumnInfo]) -> bool:
    """Return whether a table keeps superseded rows."""
    return any(column.name.lower() == "gdb_to_date" for column in columns)


def read_table(connection: sqlite3.Connection, name: str, items: GeodatabaseItems) -> MobileTable:
    """Return what a table is made of."""
    found = table_columns(connection, name)
    info = items.tables.get(name.lower())
    row_key = _row_key(connection, name, info.row_key if info else None, found)
    shape = _geometry(connection, name)
    kept = [
        column
        for column in found
        if column.name.lower() not in (*_ARCHIVE, shape[0].lower() if shape else "")
        and not (column.name == row_key and row_key.lower() == "fid")
    ]
    columns = [Column(name=c.name, sql_type=_sql_type(c.declared)) for c in kept]
    reference = _reference(connection, shape, info.spatial_reference if info else None)
    kind, has_z = divmod(shape[1] or 0, 1000)[::-1] if shape else (0, 0)
    return MobileTable(
        name=name,
        row_key=row_key,
        columns=items.describe(name, columns),
        dates=frozenset(c.name for c in kept if c.declared.lower() == "realdate"),
        is_archive=is_archive(found),
        geometry_column=shape[0] if shape else None,
        geometry_type=_KINDS.get(kind, _BOX_TYPE) if shape else None,
        has_z=kind in _KINDS and has_z in (1, 3),
        srs=srs.describe(reference.definition) if reference and reference.definition else None,
        grid=reference,
        box_index=_box_index(connection, name, shape[0]) if shape else None,
    )


def _of(column: str) -> str:
    return f"t.{quote(column)}"


def _sql_type(declared: str) -> str:
    name = declared.lower().partition("(")[0].strip()
    return _TYPES.get(name) or safe_type(declared or "TEXT")


def _row_key(
    connection: sqlite3.Connection, table: str, declared: str | None, columns: list[ColumnInfo]
) -> str:
    """Return OBJECTID; in a replica that is not the primary key, which counts versions."""
    row = None
    if table_columns(connection, "GDB_TableRegistry"):
        row = connection.execute(
            "SELECT rowid_column FROM GDB_TableRegistry WHERE lower(table_name) = lower(?)",
            (table,),
        ).fetchone()
    by_name = {column.name.lower(): column.name for column in columns}
    primary = next((c.name for c in columns if c.is_key and c.name.lower() not in _ARCHIVE), None)
    for wanted in (declared, row[0] if row else None, primary, "OBJECTID"):
        if wanted and wanted.lower() in by_name:
            return by_name[wanted.lower()]
    return "rowid"


def _geometry(connection: sqlite3.Connection, table: str) -> tuple[str, int | None, int] | None:
    """Return geometry column, its type as ISO number, and the number of its system."""
    if not table_columns(connection, "st_geometry_columns"):
        return None
    row: tuple[str, int | None, int] | None = connection.execute(
        "SELECT f_geometry_column, geometry_type, srid FROM st_geometry_columns"
        " WHERE lower(f_table_name) = lower(?)",
        (table,),
    ).fetchone()
    return row


def _box_index(connection: sqlite3.Connection, table: str, column: str) -> str | None:
    name = f"st_spindex__{table}_{column}"
    return name if table_columns(connection, name) else None


def _reference(
    connection: sqlite3.Connection,
    shape: tuple[str, int | None, int] | None,
    declared: SpatialReference | None,
) -> SpatialReference | None:
    """Return the system of a geometry column: from its own table, or else from GDB_Items."""
    if shape is None:
        return None
    row = None
    if table_columns(connection, "st_aux_spatial_reference_systems"):
        row = connection.execute(
            "SELECT auth_name, auth_srid, srtext, falsex, falsey, xyunits, falsez, zunits"
            " FROM st_aux_spatial_reference_systems WHERE srid = ?",
            (shape[2],),
        ).fetchone()
    if row is None:
        return declared
    authority, number, text, *grid = row
    definition = f"EPSG:{number}" if str(authority).upper() == "EPSG" and number else text
    known = declared.definition if declared else None
    numbers = [float(v) if isinstance(v, int | float) else 0.0 for v in grid]
    return SpatialReference(known or definition, *numbers)
