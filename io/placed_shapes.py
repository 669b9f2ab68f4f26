"""Areas brought to another reference system vertex by vertex, where that may be cut open."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from . import srs
from .crs import crs_of, transformer
from .extent import copies
from .meridian import turned, whole
from .rectangles import Bounds, cuts_in, is_torn, pieces_of


def placed(shapes: NDArray[Any], source: str, target: str) -> NDArray[Any]:
    """Return areas in another reference system; in degrees they may lie beyond 180.

    Args:
        shapes: Polygons and multipolygons.
        source: What they are in, as WKT or ``EPSG:n``.
        target: The other system, likewise.

    Raises:
        ProjError: There is no way.
        ValueError: A vertex has no place there.
    """
    there = _moved(shapes, source, target)
    if srs.circle(target) is not None:
        return there if srs.circle(source) is not None else whole(there)
    torn = [
        number
        for number, bounds in enumerate(shapely.bounds(shapes))
        if _may_be_torn(shapely.bounds(there[number]), shapely.total_bounds(there))
        and is_torn(_box(bounds), source, target)
    ]
    globe = crs_of(target).geodetic_crs
    if torn and globe is not None:
        there[torn] = [_in_pieces(shapes[number], source, globe, target) for number in torn]
    return there


def _may_be_torn(bounds: NDArray[Any], all_bounds: NDArray[Any]) -> bool:
    """Return whether an area is wide enough among others that a cut may lie within it."""
    return bool(bounds[2] - bounds[0] > 0.5 * (all_bounds[2] - all_bounds[0]))


def _moved(shapes: NDArray[Any], source: str, target: str) -> NDArray[Any]:
    way = transformer(source, target)
    moved: NDArray[Any] = shapely.transform(shapes, way.transform, interleaved=False)
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise ValueError("a vertex has no place there")
    return moved


def _in_pieces(shape: Any, source: str, globe: CRS, target: str) -> Any:
    """Return an area in a system that is cut open within it."""
    degrees = placed(np.array([shape], dtype=object), source, globe.to_wkt())[0]
    bounds = _box(shapely.bounds(degrees))
    parts = [
        shapely.intersection(shapely.make_valid(degrees), shapely.box(*piece))
        for piece in pieces_of(bounds, cuts_in(crs_of(target)))
    ]
    moved = _moved(np.array(parts, dtype=object), globe.to_wkt(), target)
    return shapely.union_all(shapely.make_valid(moved))


def _box(bounds: NDArray[Any]) -> Bounds:
    west, south, east, north = map(float, bounds)
    return west, south, east, north


def around_the_globe(shapes: NDArray[Any], bounds: Bounds, crs: str | None) -> NDArray[Any]:
    """Return areas in degrees as often as they lie over bounds, a full circle apart.

    Args:
        shapes: The areas.
        bounds: What they are to lie over.
        crs: What both are in; where that is not degrees, the areas are returned as they are.
    """
    circle = None if crs is None else srs.circle(crs)
    if circle is None or not len(shapes):
        return shapes
    all_around = _box(shapely.total_bounds(shapes))
    found = [
        turned(shapes, round((box[0] - all_around[0]) / circle), circle)
        for box in copies(all_around, bounds, crs)
    ]
    return np.concatenate(found) if found else shapes
