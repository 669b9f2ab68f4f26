"""A layer of a source GeoPackage, its table and its features, through ``sqlite3``."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..catalog import column_info, geometry
from ..catalog.geopackage import quote
from ..catalog.records import CodedDomains, Column, Feature, Srs
from .sqlite_source import opened, table_columns
from .sqlite_source import read_features as rows_as_features


class Layer(NamedTuple):
    """A feature class, or a table without geometry."""

    name: str
    row_key: str
    """Its integer primary key, or ``rowid``."""
    columns: tuple[Column, ...]
    domains: CodedDomains
    geometry_column: str | None
    geometry_type: str | None
    has_z: bool
    srs: Srs | None


def read_layer(connection: sqlite3.Connection, name: str, row_key: str) -> Layer:
    """Return what a table is made of.

    Args:
        connection: The GeoPackage.
        name: The table.
        row_key: What names its rows where no integer is their primary key.
    """
    shape = connection.execute(
        "SELECT g.column_name, g.geometry_type_name, g.z, s.organization,"
        " s.organization_coordsys_id, s.srs_name, s.definition, s.srs_id"
        " FROM gpkg_geometry_columns g LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id"
        " WHERE lower(g.table_name) = lower(?)",
        (name,),
    ).fetchone()
    info = table_columns(connection, name)
    for column in info:
        if column.is_whole_key and "INT" in column.declared.upper():
            row_key = column.name
    listed = [
        Column(name=column.name, sql_type=column.declared or "TEXT")
        for column in info
        if not (shape and column.name == shape[0])
        and not (column.name == row_key and row_key.lower() == "fid")
    ]
    columns = tuple(column_info.describe(connection, name, listed))
    known = shape is not None and shape[7] is not None and shape[7] > 0
    return Layer(
        name=name,
        row_key=row_key,
        columns=columns,
        domains=column_info.coded_domains(connection, columns),
        geometry_column=shape[0] if shape else None,
        geometry_type=shape[1].upper() if shape else None,
        has_z=bool(shape and shape[2]),
        srs=Srs(organization=shape[3], code=shape[4], name=shape[5], definition=shape[6])
        if known
        else None,
    )


def read_features(path: Path, layer: Layer) -> Iterator[Feature]:
    """Yield the features of a layer with the columns that it names."""
    with opened(path) as connection:
        yield from _read_features(connection, layer)


def _read_features(connection: sqlite3.Connection, layer: Layer) -> Iterator[Feature]:
    names = [column.name for column in layer.columns]
    shape = quote(layer.geometry_column) if layer.geometry_column else "NULL"
    cursor = connection.execute(
        f"SELECT {', '.join(map(quote, [layer.row_key, *names]))}, {shape}"
        f" FROM {quote(layer.name)} ORDER BY {quote(layer.row_key)}"
    )
    return rows_as_features(cursor, names, layer.srs.definition if layer.srs else None, _wkb)


def _wkb(blob: object) -> bytes | None:
    try:
        return geometry.decode(blob) if isinstance(blob, bytes) else None
    except (ValueError, KeyError):
        return None
