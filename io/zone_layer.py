"""A layer of zones read: its rows with their polygons, or why a row has none."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import shapely

from ..catalog.errors import CatalogError, SourceError, UsageError
from ..catalog.layer_copy import StoredLayer, stored_layer
from ..catalog.query import read_only
from ..catalog.records import Feature
from ..catalog.zone_rows import ZoneLayer
from .layer_shapes import is_layer
from .sqlite_source import is_sqlite
from .tables import Table, open_tables


class ZoneShape(NamedTuple):
    """A row of a layer of zones."""

    feature: Feature
    shape: Any
    """A valid polygon, or several, without heights; None where the row has none."""
    reason: str | None
    """Why it has none."""


def read_zones(path: Path, layer: str | None) -> tuple[ZoneLayer, list[ZoneShape]]:
    """Return a layer of zones and its rows.

    Args:
        path: A file, the folder of a geodatabase, or a catalog, which is read as it is at one moment.
        layer: Its name; None where the file has one layer only.

    Raises:
        UsageError: Several layers to choose from, none with geometry, one of points or lines, or
            without a reference system.
        SourceError: It cannot be read.
    """
    if not path.exists():
        raise SourceError(f"--zones {path}: no such file")
    if not is_layer(path):
        raise UsageError(f"--zones {path} is no file of layers that can be read here")
    if not _is_catalog(path):
        table = _chosen(open_tables(path), path, layer)
        return _zones(path, table, table.features())
    with read_only(path) as connection:
        connection.execute("BEGIN")  # what others write meanwhile is not seen
        names = connection.execute("SELECT table_name FROM gpkg_geometry_columns").fetchall()
        stored = _chosen([stored_layer(connection, name) for (name,) in names], path, layer)
        return _zones(path, stored, _features(stored))


def _is_catalog(path: Path) -> bool:
    if not is_sqlite(path):
        return False
    try:
        with read_only(path):
            return True
    except CatalogError:
        return False


def _features(layer: StoredLayer) -> Iterator[Feature]:
    names = [column.name for column in layer.columns]
    for key, wkb, values in layer.rows():
        attributes = dict(zip(names, values, strict=True))
        yield Feature(source_fid=key, geometry=wkb, attributes=attributes)


def _zones(
    path: Path, table: Table | StoredLayer, features: Iterable[Feature]
) -> tuple[ZoneLayer, list[ZoneShape]]:
    if (table.geometry_type or "").removeprefix("MULTI") in ("POINT", "LINESTRING", "CURVE"):
        kind = str(table.geometry_type).lower()
        raise UsageError(
            f"--zones {path}: layer {table.name} is of type {kind}; zones are polygons"
        )
    if table.srs is None:
        raise UsageError(
            f"--zones {path}: layer {table.name} has no reference system; declare it, then where"
            " its polygons lie is known"
        )
    rows = list(map(_zone, features))
    known = ZoneLayer(
        uri=str(path.resolve()),
        name=table.name,
        columns=tuple(table.columns),
        domains=table.domains,
        geometry_type=table.geometry_type or "GEOMETRY",
        has_z=bool(table.has_z),
        srs=table.srs,
        sha256=_digest(table, rows),
    )
    return known, rows


def _chosen(tables: Sequence[Any], path: Path, layer: str | None) -> Any:
    placed = [table for table in tables if table.geometry_type is not None]
    named = [table for table in placed if layer is None or table.name.lower() == layer.lower()]
    if len(named) == 1:
        return named[0]
    listed = ", ".join(table.name for table in placed) or "none"
    if named:
        raise UsageError(f"--zones {path} has several layers; choose one with --layer: {listed}")
    what = "no layer with geometry" if layer is None else f"no layer {layer} with geometry"
    raise UsageError(f"--zones {path}: {what}; there are: {listed}")


def _zone(feature: Feature) -> ZoneShape:
    if feature.geometry is None:
        return ZoneShape(feature, None, "has no geometry")
    try:
        shape = shapely.from_wkb(feature.geometry)
    except (shapely.errors.GEOSException, NotImplementedError):
        return ZoneShape(feature, None, "its geometry cannot be read: a curve, or damaged")
    if shape.is_empty:
        return ZoneShape(feature, None, "its geometry is empty")
    if shape.geom_type not in ("Polygon", "MultiPolygon"):
        return ZoneShape(feature, None, f"is a {shape.geom_type}; zones are polygons")
    flat = shapely.force_2d(shape)
    if not flat.is_valid:
        why = shapely.is_valid_reason(flat).replace("[", " at ").replace("]", "")
        return ZoneShape(feature, None, f"its geometry is invalid ({why}); repair it")
    return ZoneShape(feature, flat, None)


def _digest(table: Table | StoredLayer, rows: list[ZoneShape]) -> str:
    """Return a hash of what a layer holds, whatever the file says of the time of its changes."""
    digest = hashlib.sha256(repr((tuple(table.columns), table.domains, table.srs)).encode())
    for part in _parts(rows):
        digest.update(part)
    return digest.hexdigest()


def _parts(rows: list[ZoneShape]) -> Iterator[bytes]:
    for feature, _, _ in rows:
        yield repr((feature.source_fid, sorted(feature.attributes.items()))).encode()
        yield feature.geometry or b""
