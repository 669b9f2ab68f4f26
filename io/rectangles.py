"""Rectangles on the ground brought to another reference system, where that may be cut open."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from . import srs
from .crs import crs_of, transformer
from .meridian import CIRCLE

Bounds = tuple[float, float, float, float]
"""Least x and y, greatest x and y; in degrees across the 180th meridian west > east."""
_STEPS = 40
"""Along each side; of longitudes one per degree, if that is more."""
_INWARDS = 1e-9
"""Degrees by which pieces stay off a cut: on it, a point may be put on either side."""
_TOUCHING = 1e-6
"""Of the size of rectangles: a gap that is none."""
_JUMP = 0.25
"""Of a step: the middle of a continuous one lies nearer to the mean of its ends."""


def whole_box(bounds: Bounds, crs: str | None) -> Bounds:
    """Return bounds with east beyond the 180th meridian in place of west > east."""
    west, south, east, north = bounds
    circle = None if crs is None else srs.circle(crs)
    if west > east and circle is not None:
        east += circle
    return west, south, east, north


@lru_cache(maxsize=256)
def moved(bounds: Bounds, source: str, target: str) -> tuple[Bounds, ...]:
    """Return the bounds, in another reference system, of a rectangle.

    The rectangle is densified. Where the other system is cut open within it, as EPSG:3857 is at
    the 180th meridian, there is one for each side.

    Args:
        bounds: The rectangle.
        source: What it is in, as WKT or ``EPSG:n``.
        target: The other system, likewise.

    Returns:
        None where it has no place there. In degrees it is one, whose east may be beyond 180.

    Raises:
        ProjError: There is no way.
    """
    bounds = whole_box(bounds, source)
    way = transformer(source, target)
    if srs.circle(target) is not None:
        return _in_degrees(way, bounds, source)
    x, y = way.transform(*_points(bounds, srs.circle(source)))
    if not _is_torn(x, y):
        return _boxes_of(x, y)
    system = crs_of(target)
    globe = system.geodetic_crs
    degrees = moved(bounds, source, globe.to_wkt()) if globe else ()
    if globe is None or not degrees:
        return _boxes_of(x, y)
    there = transformer(globe, target)
    pieces = [
        box
        for part in pieces_of(degrees[0], cuts_in(system))
        for box in _boxes_of(*there.transform(*_points(part, CIRCLE)))
    ]
    return _joined(pieces)


def is_torn(bounds: Bounds, source: str, target: str) -> bool:
    """Return whether another reference system is cut open within a rectangle.

    One that goes round the globe is whole there all the same.

    Raises:
        ProjError: There is no way.
    """
    bounds = whole_box(bounds, source)
    if srs.circle(target) is not None:
        return False
    way = transformer(source, target)
    if not _is_torn(*way.transform(*_points(bounds, srs.circle(source)))):
        return False
    degrees = moved(bounds, source, "EPSG:4326")
    return bool(degrees) and degrees[0][2] - degrees[0][0] < CIRCLE - 10


def _in_degrees(way: Transformer, bounds: Bounds, source: str) -> tuple[Bounds, ...]:
    if srs.circle(source) is not None:
        x, y = way.transform(*_points(bounds, CIRCLE))
        return _boxes_of(np.unwrap(np.unwrap(x, axis=1, period=CIRCLE), axis=0, period=CIRCLE), y)
    west, south, east, north = way.transform_bounds(*bounds, densify_pts=_STEPS)
    if not all(map(math.isfinite, (west, south, east, north))):
        return ()
    return ((west, south, east + CIRCLE if west > east else east, north),)


def _points(
    bounds: Bounds, circle: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of points all over a rectangle, shape (rows, columns)."""
    west, south, east, north = bounds
    degrees = 0.0 if circle is None else max(east - west, north - south) / circle * CIRCLE
    count = min(max(_STEPS, math.ceil(degrees)), 2 * int(CIRCLE)) + 1
    x, y = np.meshgrid(np.linspace(west, east, count), np.linspace(south, north, count))
    return x, y


def _boxes_of(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Bounds, ...]:
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return ()
    x, y = x[known], y[known]
    return ((float(x.min()), float(y.min()), float(x.max()), float(y.max())),)


def _is_torn(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Return whether points that are neighbours, of a grid, lie on two sides of a cut."""
    for across, down in ((x, y), (x.T, y.T)):
        with np.errstate(invalid="ignore", over="ignore"):
            step = np.hypot(across[:, 2:] - across[:, :-2], down[:, 2:] - down[:, :-2])
            apart = np.hypot(
                across[:, 1:-1] - (across[:, 2:] + across[:, :-2]) / 2,
                down[:, 1:-1] - (down[:, 2:] + down[:, :-2]) / 2,
            )
            if (apart > _JUMP * step + 1e-6)[np.isfinite(apart)].any():
                return True
    return False


def cuts_in(system: CRS) -> list[float]:
    """Return the meridians at which a projected system may be cut open."""
    operation = system.coordinate_operation
    middles = [
        float(each.value)
        for each in (operation.params if operation else ())
        if each.name.startswith("Longitude of")
    ]
    return [CIRCLE / 2, *(middle + CIRCLE / 2 for middle in middles)]


def pieces_of(bounds: Bounds, cuts: Sequence[float]) -> list[Bounds]:
    """Return the parts of a rectangle in degrees between meridians."""
    west, south, east, north = bounds
    inside = {
        cut + turn * CIRCLE
        for cut in cuts
        for turn in range(-3, 4)
        if west < cut + turn * CIRCLE < east
    }
    sides = [west, *sorted(inside), east]
    return [
        (left + _INWARDS, south, right - _INWARDS, north)
        for left, right in pairwise(sides)
        if right - left > 2 * _INWARDS
    ]


def _joined(boxes: Sequence[Bounds]) -> tuple[Bounds, ...]:
    """Return rectangles, those that touch each other as one around both."""
    done: list[Bounds] = []
    for box in boxes:
        while near := next((each for each in done if _touch(each, box)), None):
            done.remove(near)
            box = (*map(min, near[:2], box[:2]), *map(max, near[2:], box[2:]))  # type: ignore[assignment]
        done.append(box)
    return tuple(done)


def _touch(one: Bounds, other: Bounds) -> bool:
    more = _TOUCHING * max(one[2] - one[0], one[3] - one[1], other[2] - other[0])
    return all(
        one[axis] <= other[axis + 2] + more and other[axis] <= one[axis + 2] + more
        for axis in (0, 1)
    )
