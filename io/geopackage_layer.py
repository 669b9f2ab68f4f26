"""A layer of a source GeoPackage, its table and its features, through ``sqlite3``."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..catalog import geometry
from ..catalog.geopackage import quote
from ..catalog.records import Column, Feature, Srs
from .ogr import locations
from .sqlite_source import opened

_CHUNK = 2_000


class Layer(NamedTuple):
    """A feature class, or a table without geometry."""

    name: str
    row_key: str
    """Its integer primary key, or ``rowid``."""
    columns: tuple[Column, ...]
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
    info = connection.execute(f"PRAGMA table_xinfo({quote(name)})").fetchall()
    keys = [row for row in info if row[5]]
    if len(keys) == 1 and "INT" in keys[0][2].upper():
        row_key = keys[0][1]
    columns = tuple(
        Column(name=row[1], sql_type=row[2] or "TEXT")
        for row in info
        if not (shape and row[1] == shape[0])
        and not (row[1] == row_key and row_key.lower() == "fid")
    )
    known = shape is not None and shape[7] is not None and shape[7] > 0
    return Layer(
        name=name,
        row_key=row_key,
        columns=columns,
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
    names = [layer.row_key, *(column.name for column in layer.columns)]
    shape = quote(layer.geometry_column) if layer.geometry_column else "NULL"
    cursor = connection.execute(
        f"SELECT {shape}, {', '.join(map(quote, names))} FROM {quote(layer.name)}"
        f" ORDER BY {quote(layer.row_key)}"
    )
    crs = layer.srs.definition if layer.srs else None
    while rows := cursor.fetchmany(_CHUNK):
        shapes = [_wkb(row[0]) for row in rows]
        for row, wkb, place in zip(rows, shapes, locations(shapes, crs), strict=True):
            yield Feature(
                source_fid=row[1],
                geometry=wkb,
                location=place,
                attributes=dict(zip(names[1:], row[2:], strict=True)),
            )


def _wkb(blob: object) -> bytes | None:
    try:
        return geometry.decode(blob) if isinstance(blob, bytes) else None
    except (ValueError, KeyError):
        return None
