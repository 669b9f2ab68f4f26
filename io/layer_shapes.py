"""The shapes of a layer: where an extent or a mask comes from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from ..catalog.errors import SourceError, UsageError
from ..catalog.lock import assert_not_live
from . import meridian, srs
from .sqlite_source import is_sqlite
from .table_formats import is_table_file
from .tables import Table, open_tables
from .zipped_geodatabase import holds_geodatabase


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LayerShapes:
    """The geometries of a layer, without heights."""

    shapes: NDArray[Any]
    """Shapely geometries; none of them is empty."""
    crs: str | None
    """Reference system as WKT; None where the layer names none."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Least x and y, greatest x and y, of all of them.

        In degrees west is greater than east where that is the narrower way round.
        """
        if self.crs is not None and srs.circle(self.crs) is not None:
            return meridian.box(self.shapes)
        west, south, east, north = map(float, shapely.total_bounds(self.shapes))
        return west, south, east, north

    @property
    def sha256(self) -> str:
        """Hash of what the shapes are, whatever file they are in."""
        digest = hashlib.sha256((self.crs or "").encode())
        for wkb in shapely.to_wkb(self.shapes, byte_order=1):
            digest.update(wkb)
        return digest.hexdigest()


def is_layer(path: Path) -> bool:
    """Return whether a path is a file of layers, not a raster.

    Raises:
        CatalogError: It is the open catalog.
    """
    assert_not_live(path)
    return path.is_dir() or is_sqlite(path) or is_table_file(path) or holds_geodatabase(path)


def read_shapes(path: Path, layer: str | None, option: str) -> LayerShapes:
    """Return the geometries of a layer.

    Args:
        path: A file, or the folder of a geodatabase.
        layer: Its name; None where the file has one layer only.
        option: What the user gave the file for, to complain about.

    Raises:
        UsageError: Several layers to choose from, or none with geometry.
        SourceError: It cannot be read.
    """
    table = _chosen(open_tables(path), path, layer, option)
    shapes = [_shape(each.geometry, path) for each in table.features() if each.geometry]
    kept = np.array([shape for shape in shapes if not shape.is_empty], dtype=object)
    if not len(kept):
        raise UsageError(f"{option} {path}: layer {table.name} has no geometry")
    crs = table.srs.definition if table.srs else None
    return LayerShapes(shapes=kept, crs=None if crs is None or srs.is_local(crs) else crs)


def _chosen(tables: list[Table], path: Path, layer: str | None, option: str) -> Table:
    placed = [table for table in tables if table.geometry_type is not None]
    named = [table for table in placed if layer is None or table.name.lower() == layer.lower()]
    if len(named) == 1:
        return named[0]
    listed = ", ".join(table.name for table in placed) or "none"
    if named:
        raise UsageError(
            f'{option} {path} has the layers {listed}; choose one: "{path}|layername=..."'
        )
    what = "no layer with geometry" if layer is None else f"no layer {layer} with geometry"
    raise UsageError(f"{option} {path}: {what}; there are: {listed}")


def _shape(wkb: bytes, path: Path) -> Any:
    try:
        return shapely.force_2d(shapely.from_wkb(wkb))
    except (shapely.errors.GEOSException, NotImplementedError) as error:
        raise SourceError(f"{path}: a geometry cannot be read: a curve, or damaged") from error
