"""Longitudes go round: shapes across the 180th meridian, made whole or cut there.

GeoJSON (RFC 7946, 3.1.9) wants shapes cut in two at the meridian, and boxes across it with a
west that is greater than their east.
"""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

CIRCLE = 360.0
"""Degrees."""
_POLE = 90 - 1e-9
"""Latitude from which on a longitude says nothing."""


def whole_ring(ring: NDArray[np.float64], *, is_moved: bool) -> NDArray[np.float64]:
    """Return a ring of longitudes and latitudes without a jump from 180 to -180 in it.

    A ring around a pole is led along that pole, so that it surrounds it.

    Args:
        ring: Shape (points, 2); the first point is not repeated at the end.
        is_moved: Whether the degrees come from another system: a pole then is any longitude.

    Returns:
        Likewise; longitudes may be beyond 180.
    """
    points = _without_poles(ring) if is_moved else ring
    x = np.unwrap(np.append(points[:, 0], points[0, 0]), period=CIRCLE)
    opened = np.column_stack([x[:-1], points[:, 1]])
    if abs(x[-1] - x[0]) < CIRCLE / 2:
        return opened
    pole = np.copysign(90.0, points[:, 1].mean())
    return np.vstack([opened, [[x[-1], points[0, 1]], [x[-1], pole], [x[0], pole]]])


def _without_poles(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a ring that reaches a pole on the longitude of one neighbour and leaves on the other's."""
    points = []
    for number, (x, y) in enumerate(ring):
        if abs(y) < _POLE:
            points.append((x, y))
        else:
            after = ring[(number + 1) % len(ring)]
            points += [(ring[number - 1][0], y), (after[0], y)]
    return np.array(points)


def whole(shapes: NDArray[Any]) -> NDArray[Any]:
    """Return areas, brought to degrees vertex by vertex, as :func:`whole_ring` has their rings."""
    return np.array([_whole_area(shape) for shape in shapes], dtype=object)


def _whole_area(shape: Any) -> Any:
    areas = []
    for part in shapely.get_parts(shape):
        shell, *holes = (
            shapely.polygons(whole_ring(shapely.get_coordinates(ring)[:-1], is_moved=True))
            for ring in (part.exterior, *part.interiors)
        )
        middle = shapely.bounds(shell)[[0, 2]].mean()
        for hole in map(shapely.make_valid, holes):
            turns = np.round((middle - shapely.bounds(hole)[[0, 2]].mean()) / CIRCLE)
            shell = shapely.difference(shapely.make_valid(shell), turned(hole, turns))
        areas.append(shell)
    return areas[0] if len(areas) == 1 else shapely.union_all(list(map(shapely.make_valid, areas)))


def turned(shape: Any, turns: float, circle: float = CIRCLE) -> Any:
    """Return a shape so many times round the globe further east."""
    return shapely.transform(shape, lambda points: points + np.array([turns * circle, 0.0]))


def cut(area: Any, at: float = CIRCLE / 2) -> Any:
    """Return an area cut at a meridian, as a multipolygon within half a circle on both its sides.

    Args:
        area: In degrees, made whole.
        at: Longitude of the meridian; what lies east of it goes to the west.
    """
    west, _, east, _ = shapely.bounds(area)
    low = at - CIRCLE
    if low <= west and east <= at:
        parts = area
    else:
        area = shapely.make_valid(area)
        first = int(np.floor((west - low) / CIRCLE))
        last = int(np.floor((east - low) / CIRCLE))
        strips = [
            turned(shapely.intersection(area, _strip(low + turn * CIRCLE)), -turn)
            for turn in range(first, last + 1)
        ]
        parts = shapely.union_all(strips)
    polygons = shapely.get_parts(shapely.get_parts(parts))
    return shapely.multipolygons(polygons[shapely.get_type_id(polygons) == _POLYGON])


_POLYGON = int(shapely.GeometryType.POLYGON)


def _strip(west: float) -> Any:
    return shapely.box(west, -90.0, west + CIRCLE, 90.0)


def box(shapes: NDArray[Any]) -> tuple[float, float, float, float]:
    """Return west, south, east and north of shapes in degrees, the narrower way round.

    West is greater than east where that is less than half the globe and across the 180th
    meridian; the other way round it would be nearly all of it.
    """
    west, south, east, north = map(float, shapely.total_bounds(shapes))
    plain = west, south, east, north
    if east - west <= CIRCLE / 2 or west < -CIRCLE / 2 or east > CIRCLE / 2:
        return plain
    sides = shapely.bounds(shapely.get_parts(shapes))[:, [0, 2]]
    sides = sides[np.argsort(sides[:, 0])]
    reached = np.maximum.accumulate(sides[:, 1])[:-1]
    if not len(reached):
        return plain
    gaps = sides[1:, 0] - reached
    widest = int(np.argmax(gaps))
    if gaps[widest] <= CIRCLE / 2:
        return plain
    return float(sides[widest + 1, 0]), south, float(reached[widest]), north
