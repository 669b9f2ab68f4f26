"""Polygons brought to where pixels lie: to the reference system of rasters, then to their grid."""

from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError

from .crs import transformer

_NEAR = 0.001
"""Of a pixel: how far an edge may be from where it lies, curved, in the other system."""
_MOST_POINTS = 1_000_000

Place = Callable[[Any, Any], tuple[Any, Any]]


class NoPlaceError(ValueError):
    """A polygon has no place in a reference system."""


def mover(source: str, target: str, cell: float) -> Callable[[Any], Any]:
    """Return what brings polygons from one reference system to another.

    Straight edges become curves there: they get as many points as keep them within a thousandth
    of a pixel.

    Args:
        source: The system of the polygons, as WKT.
        target: The system they are brought to.
        cell: The side of a pixel there.

    Raises:
        NoPlaceError: There is no way; what is returned raises it for a polygon without a place.
    """
    if source == target:
        return lambda shape: shape
    try:
        place: Place = transformer(source, target).transform
    except (CRSError, ProjError) as error:
        raise NoPlaceError(str(error)) from error

    def move(shape: Any) -> Any:
        dense = _densified(shape, place, _NEAR * cell)
        moved = shapely.transform(dense, place, interleaved=False)
        if not np.isfinite(shapely.get_coordinates(moved)).all():
            raise NoPlaceError("a polygon has no place in the other reference system")
        return moved

    return move


def _densified(shape: Any, place: Place, near: float) -> Any:
    """Return a shape with points along its edges, so that straight ones between stay near."""
    all_rings = shapely.get_rings(shapely.get_parts(shape))  # of a multipolygon it knows none
    points, rings = shapely.get_coordinates(all_rings, return_index=True)
    within = rings[1:] == rings[:-1]
    starts, ends = points[:-1][within], points[1:][within]
    lengths = np.hypot(*(ends - starts).T)
    most = float(lengths.max(initial=0.0))
    step = most
    while most and most / step < 1024:
        here = lengths > step / 2
        bend = _bend(starts[here], ends[here], np.ceil(lengths[here] / step), place)
        if bend <= near or lengths.sum() / step > _MOST_POINTS:
            break
        step /= 2
    return shape if step >= most else shapely.segmentize(shape, step)


def _bend(starts: NDArray[Any], ends: NDArray[Any], parts: NDArray[Any], place: Place) -> float:
    """Return how far edges, cut into parts, lie at most from the line between the ends of a part.

    Looked at are the first, the middle and the last part of each.
    """
    worst = 0.0
    for first in (np.zeros_like(parts), parts // 2, parts - 1):
        cuts = [starts + (ends - starts) * ((first + t) / parts)[:, None] for t in (0.0, 0.5, 1.0)]
        (ax, ay), (mx, my), (bx, by) = (place(*cut.T) for cut in cuts)
        gaps = np.hypot(mx - (ax + bx) / 2, my - (ay + by) / 2)
        worst = max(worst, float(np.nanmax(gaps, initial=0.0)))
    return worst


def to_pixels(shapes: NDArray[Any], transform: Affine) -> NDArray[Any]:
    """Return shapes in columns and rows of a raster.

    Args:
        shapes: In its reference system.
        transform: Pixel (column, row) to map (x, y).
    """
    a, b, c, d, e, f = (~transform)[:6]
    moved: NDArray[Any] = shapely.transform(
        shapes, lambda x, y: (a * x + b * y + c, d * x + e * y + f), interleaved=False
    )
    return moved
