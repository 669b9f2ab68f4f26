"""A layer of zones read: its rows with their polygons, or why a row has none."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import shapely

from ..catalog.errors import SourceError, UsageError
from ..catalog.records import Feature
from ..catalog.zone_rows import ZoneLayer
from .layer_shapes import is_layer
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
        path: A file, or the folder of a geodatabase.
        layer: Its name; None where the file has one layer only.

    Raises:
        UsageError: Several layers to choose from, none with geometry, or without a reference
            system.
        SourceError: It cannot be read.
    """
    if not path.exists():
        raise SourceError(f"--zones {path}: no such file")
    if not is_layer(path):
        raise UsageError(f"--zones {path} is no file of layers that can be read here")
    table = _chosen(open_tables(path), path, layer)
    if table.srs is None:
        raise UsageError(
            f"--zones {path}: layer {table.name} has no reference system; declare it, then where"
            " its polygons lie is known"
        )
    rows = list(map(_zone, table.features()))
    known = ZoneLayer(
        uri=str(path.resolve()),
        name=table.name,
        columns=table.columns,
        domains=table.domains,
        geometry_type=table.geometry_type or "GEOMETRY",
        has_z=table.has_z,
        srs=table.srs,
        sha256=_digest(table, rows),
    )
    return known, rows


def _chosen(tables: list[Table], path: Path, layer: str | None) -> Table:
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


def _digest(table: Table, rows: list[ZoneShape]) -> str:
    """Return a hash of what a layer holds, whatever the file says of the time of its changes."""
    digest = hashlib.sha256(repr((table.columns, table.domains, table.srs)).encode())
    for part in _parts(rows):
        digest.update(part)
    return digest.hexdigest()


def _parts(rows: list[ZoneShape]) -> Iterator[bytes]:
    for feature, _, _ in rows:
        yield repr((feature.source_fid, sorted(feature.attributes.items()))).encode()
        yield feature.geometry or b""
