"""What a file geodatabase shows of a catalog: rows of layers, and how their columns are typed."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import NamedTuple

from ..catalog import geometry
from ..catalog.geopackage import quote, safe_type
from ..catalog.ingest import from_json
from ..catalog.records import Column, SqlValue
from ..io.geodatabase_out import Field, Layer, Row
from ..io.geodatabase_values import when

_INT16, _INT32 = range(-(2**15), 2**15), range(-(2**31), 2**31)
_DOUBLE = range(-(2**53), 2**53 + 1)
"""Whole numbers that each type holds."""


class Content(NamedTuple):
    """Rows that can be read several times, and what they are called."""

    connection: sqlite3.Connection
    name: str
    columns: Sequence[Column]
    definition: str | None
    query: str
    parameters: tuple[int, ...]
    is_spatial: bool
    is_json: bool
    """Whether a row is WKB and JSON; else it is a GeoPackage geometry and values."""

    def rows(self) -> Iterator[Row]:
        """Yield WKB and values of each row."""
        for shape, *values in self.connection.execute(self.query, self.parameters):
            if self.is_json:
                yield shape, from_json(values[0], self.columns)
            else:
                yield shape and geometry.decode(shape), values

    def layer(self) -> Layer:
        """Return the layer that holds these rows, whatever SQLite let into its columns."""
        found = [_Values(column.sql_type) for column in self.columns]
        wkb_types = set()
        for wkb, values in self.rows():
            if wkb is not None:
                wkb_types.add(_wkb_type(wkb))
            for each, value in zip(found, values, strict=True):
                each.see(value)
        return Layer(
            name=self.name,
            fields=[
                Field(column.name, each.kind())
                for column, each in zip(self.columns, found, strict=True)
            ],
            wkb_types=frozenset(wkb_types) if self.is_spatial and wkb_types else None,
            definition=self.definition,
        )


def output_rows(connection: sqlite3.Connection, table: str) -> Content:
    """Return an output feature class."""
    columns = [
        Column(name=name, sql_type=kind)
        for name, kind in connection.execute(
            "SELECT name, type FROM pragma_table_info(?)", (table,)
        )
    ]
    system = connection.execute(
        "SELECT definition FROM gpkg_geometry_columns JOIN gpkg_spatial_ref_sys USING (srs_id)"
        " WHERE table_name = ?",
        (table,),
    ).fetchone()
    ours = [column for column in columns if column.name not in ("fid", "geom")]
    listed = ["geom" if system else "NULL", *(quote(column.name) for column in ours)]
    return Content(
        connection=connection,
        name=table,
        columns=ours,
        definition=_defined(system[0]) if system else None,
        query=f"SELECT {', '.join(listed)} FROM {quote(table)} ORDER BY fid",
        parameters=(),
        is_spatial=system is not None,
        is_json=False,
    )


def source_rows(connection: sqlite3.Connection, dataset_id: int) -> Content:
    """Return the features of a source as they were when it was scanned."""
    uri, layer, columns, geometry_type, definition = connection.execute(
        "SELECT uri, layer, columns, geometry_type, definition FROM datasets"
        " JOIN gpkg_spatial_ref_sys USING (srs_id) WHERE id = ?",
        (dataset_id,),
    ).fetchone()
    return Content(
        connection=connection,
        name=layer or PurePath(uri).stem,
        columns=[Column(**column) for column in json.loads(columns)],
        definition=_defined(definition),
        query="SELECT source_geometry, attributes FROM features WHERE dataset_id = ?"
        " ORDER BY source_fid",
        parameters=(dataset_id,),
        is_spatial=geometry_type is not None,
        is_json=True,
    )


class _Values:
    """What values a column has, and so which type holds them all."""

    def __init__(self, sql_type: str) -> None:
        self._declared = safe_type(sql_type)
        self._types: set[type] = set()
        self._least = self._largest = 0
        self._longest = 0
        self._are_times = True

    def see(self, value: SqlValue) -> None:
        """Take one more value into account."""
        if value is None:
            return
        self._types.add(type(value))
        if isinstance(value, int):
            self._least = min(self._least, value)
            self._largest = max(self._largest, value)
        elif isinstance(value, str):
            self._longest = max(self._longest, len(value))
            if self._declared in ("DATE", "DATETIME"):
                self._are_times = self._are_times and _is_time(value)

    def kind(self) -> str:
        """Return the type as fiona has it; text where SQLite has let other values in."""
        declared, size = self._declared.partition("(")[::2]
        if declared == "BLOB" and self._types <= {bytes}:
            return "bytes"
        if declared in ("DATE", "DATETIME") and self._types <= {str} and self._are_times:
            return "datetime"
        if declared in ("FLOAT", "DOUBLE", "REAL") and self._types <= {int, float}:
            return "float"
        if "INT" in declared or declared == "BOOLEAN":
            return self._number(declared)
        if declared == "TEXT" and size:
            return f"str:{max(int(size.rstrip(')')), self._longest)}"
        return "str"

    def _number(self, declared: str) -> str:
        small = declared in ("BOOLEAN", "TINYINT", "SMALLINT")
        if self._types <= {int} and self._fit(_INT32):
            return "int16" if small and self._fit(_INT16) else "int32"
        return "float" if self._types <= {int, float} and self._fit(_DOUBLE) else "str"

    def _fit(self, limits: range) -> bool:
        return self._least in limits and self._largest in limits


def _is_time(text: str) -> bool:
    try:
        return isinstance(when(text), datetime)
    except ValueError:
        return False


def _wkb_type(wkb: bytes) -> int:
    number = int.from_bytes(wkb[1:5], "little" if wkb[0] else "big")
    return (number & 0x1FFFFFFF) + 1000 * (number >> 31)  # the highest bit: heights, as old WKB


def _defined(definition: str) -> str | None:
    return None if definition == "undefined" else definition
