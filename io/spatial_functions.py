"""SQL functions on geometries, ``ST_*``, for any connection of Python's ``sqlite3``.

Planar, in the units of the reference system, but for those with *Geodesic* in their name, which
give metres on the ellipsoid. What is no geometry, or has no answer, is NULL.
"""

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from ..catalog import geometry
from ..catalog.geometry import srs_id_of
from ..catalog.query import reference_systems
from .crs import crs_of
from .srs import reprojection

_MEASURES: dict[str, Callable[[Any], Any]] = {
    "ST_Area": lambda shape: shape.area,
    "ST_Length": lambda shape: shape.length if _is_line(shape) else 0.0,
    "ST_Perimeter": lambda shape: 0.0 if _is_line(shape) else shape.length,
    "ST_X": lambda shape: shape.x if shape.geom_type == "Point" else None,
    "ST_Y": lambda shape: shape.y if shape.geom_type == "Point" else None,
    "ST_Z": lambda shape: shape.z if shape.geom_type == "Point" and shape.has_z else None,
    "ST_AsText": lambda shape: shapely.to_wkt(shape, rounding_precision=-1, trim=True),
    "ST_AsBinary": lambda shape: shapely.to_wkb(shape, flavor="iso"),
    "ST_AsGeoJSON": lambda shape: json.dumps(mapping(shape)),
    "ST_GeometryType": lambda shape: shape.geom_type.upper(),
    "ST_NPoints": lambda shape: int(shapely.get_num_coordinates(shape)),
    "ST_NumGeometries": lambda shape: int(shapely.get_num_geometries(shape)),
    "ST_Is3D": lambda shape: int(shape.has_z),
    "ST_IsValid": lambda shape: int(shape.is_valid),
}
_SHAPES: dict[str, Callable[[Any], Any]] = {
    "ST_Centroid": lambda shape: shape.centroid,
    "ST_PointOnSurface": lambda shape: shape.representative_point(),
    "ST_Envelope": lambda shape: shape.envelope,
    "ST_ConvexHull": lambda shape: shape.convex_hull,
    "ST_Boundary": lambda shape: shape.boundary,
    "ST_MakeValid": shapely.make_valid,
}
_SHAPES_BY_NUMBER: dict[str, Callable[[Any, float], Any]] = {
    "ST_Buffer": lambda shape, distance: shape.buffer(distance),
    "ST_Simplify": lambda shape, tolerance: shape.simplify(tolerance),
}
_OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "ST_Intersects": lambda one, other: int(one.intersects(other)),
    "ST_Contains": lambda one, other: int(one.contains(other)),
    "ST_Within": lambda one, other: int(one.within(other)),
    "ST_Covers": lambda one, other: int(one.covers(other)),
    "ST_Touches": lambda one, other: int(one.touches(other)),
    "ST_Crosses": lambda one, other: int(one.crosses(other)),
    "ST_Overlaps": lambda one, other: int(one.overlaps(other)),
    "ST_Disjoint": lambda one, other: int(one.disjoint(other)),
    "ST_Equals": lambda one, other: int(one.equals(other)),
    "ST_Distance": lambda one, other: one.distance(other),
    "ST_Intersection": lambda one, other: one.intersection(other),
    "ST_Union": lambda one, other: one.union(other),
    "ST_Difference": lambda one, other: one.difference(other),
}
_NO_ANSWER = (
    *(shapely.errors.ShapelyError, shapely.errors.GEOSException, NotImplementedError),
    *(CRSError, ProjError, TypeError, ValueError, OverflowError, AttributeError),
)


class _ToldError(Exception):
    """Something a user must be told, because NULL would be taken for an answer."""


def register(connection: sqlite3.Connection) -> Callable[[], str | None]:
    """Give a connection all ``ST_*`` functions.

    Returns:
        What tells why one of them has failed, where SQLite only says that it has.
    """
    geometry.register_functions(connection)
    problems: list[str] = []
    for name, counts, function in _functions(reference_systems(connection)):
        for count in counts:
            connection.create_function(
                name, count, partial(_answer, problems, name, function), deterministic=True
            )
    return lambda: problems[0] if problems else None


def _functions(systems: dict[int, str]) -> Iterator[tuple[str, Sequence[int], Callable[..., Any]]]:
    """Yield names, how many values they take, and functions."""
    for one, measure in _MEASURES.items():
        yield one, (1,), partial(_measured, measure)
    for one, change in _SHAPES.items():
        yield one, (1,), partial(_changed, change)
    for one, by_number in _SHAPES_BY_NUMBER.items():
        yield one, (2,), partial(_changed, by_number)
    for one, relate in _OF_TWO.items():
        yield one, (2,), partial(_of_two, relate)
    yield "ST_SRID", (1,), _srs_id
    yield "ST_GeomFromText", (1, 2), _from_text
    yield "ST_Point", (2, 3), _point
    yield "ST_MakeEnvelope", (4, 5), _envelope
    yield "ST_Transform", (2,), partial(_transformed, systems)
    yield "ST_GeodesicArea", (1,), partial(_geodesic, systems, _geodesic_area)
    yield "ST_GeodesicLength", (1,), partial(_geodesic, systems, _geodesic_length)


def _answer(problems: list[str], name: str, function: Callable[..., Any], *values: Any) -> Any:
    try:
        with np.errstate(all="ignore"):  # NULL says that there is no answer
            found = function(*values)
    except _ToldError as problem:
        problems[:] = [f"{name}: {problem}"]
        raise
    except _NO_ANSWER as error:
        if "bad_alloc" in str(error):  # GEOS; NULL would be taken for an answer
            raise MemoryError from error
        return None
    return None if isinstance(found, float) and not math.isfinite(found) else found


def shape_of(blob: Any) -> BaseGeometry | None:
    """Return the geometry in a GeoPackage blob; None for anything else and for curves."""
    if not isinstance(blob, bytes) or blob[:2] != b"GP":
        return None
    try:
        shape: BaseGeometry | None = _decoded(blob)
    except _NO_ANSWER:
        return None
    return shape


@lru_cache(maxsize=16)
def _decoded(blob: bytes) -> BaseGeometry | None:
    return shapely.from_wkb(geometry.decode(blob), on_invalid="ignore")


def _is_line(shape: BaseGeometry) -> bool:
    return bool(shapely.get_dimensions(shape) == 1)


def _blob(shape: BaseGeometry, srs_id: int) -> bytes | None:
    return geometry.encode(shapely.to_wkb(shape, flavor="iso"), _checked(srs_id))


def _checked(srs_id: Any) -> int:
    """Return the number of a reference system.

    Raises:
        TypeError: NULL.
        _ToldError: It is none.
    """
    if srs_id is None:
        raise TypeError
    if not isinstance(srs_id, int) or not -(2**31) <= srs_id < 2**31:
        raise _ToldError(f"{srs_id!r:.40} is no number of a reference system, like 4326")
    return srs_id


def _measured(measure: Callable[[Any], Any], blob: Any) -> Any:
    shape = shape_of(blob)
    return None if shape is None else measure(shape)


def _changed(change: Callable[..., Any], blob: Any, *numbers: float) -> bytes | None:
    shape = shape_of(blob)
    return None if shape is None else _blob(change(shape, *map(float, numbers)), srs_id_of(blob))


def _of_two(relate: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    shapes = shape_of(one), shape_of(other)
    if shapes[0] is None or shapes[1] is None:
        return None
    numbers = srs_id_of(one), srs_id_of(other)
    if numbers[0] != numbers[1]:
        raise _ToldError(
            f"geometries of reference systems {numbers[0]} and {numbers[1]}; bring one to that of"
            " the other with ST_Transform(geometry, number)"
        )
    found = relate(*shapes)
    return _blob(found, numbers[0]) if isinstance(found, BaseGeometry) else found


def _srs_id(blob: Any) -> int | None:
    return None if shape_of(blob) is None else srs_id_of(blob)


def _from_text(text: Any, srs_id: int = 4326) -> bytes | None:
    return None if text is None else _blob(shapely.from_wkt(text), srs_id)


def _point(x: float, y: float, srs_id: int = 4326) -> bytes | None:
    return _blob(shapely.Point(float(x), float(y)), srs_id)


def _envelope(
    minx: float, miny: float, maxx: float, maxy: float, srs_id: int = 4326
) -> bytes | None:
    return _blob(shapely.box(float(minx), float(miny), float(maxx), float(maxy)), srs_id)


@lru_cache(maxsize=32)
def _crs(definition: str) -> CRS:
    return crs_of(definition)


_mover = lru_cache(maxsize=32)(reprojection)


def _definition(systems: dict[int, str], srs_id: int) -> str:
    return systems.get(srs_id, f"EPSG:{srs_id}")


def _moved(shape: BaseGeometry, source: str, target: str) -> BaseGeometry:
    return shapely.from_wkb(_mover(source, target)(shapely.to_wkb(shape, flavor="iso")))


def _transformed(systems: dict[int, str], blob: Any, srs_id: int) -> bytes | None:
    shape = shape_of(blob)
    if shape is None:
        return None
    source, target = (
        _definition(systems, number) for number in (srs_id_of(blob), _checked(srs_id))
    )
    return _blob(_moved(shape, source, target), srs_id)


def _geodesic(
    systems: dict[int, str], measure: Callable[[Geod, BaseGeometry], float], blob: Any
) -> float | None:
    shape = shape_of(blob)
    if shape is None:
        return None
    source = _definition(systems, srs_id_of(blob))
    geodetic = _crs(source).geodetic_crs
    if geodetic is None:
        return None
    if not _crs(source).is_geographic:
        shape = _moved(shape, source, geodetic.to_wkt())
    return measure(_crs(source).get_geod() or Geod(ellps="WGS84"), shape)


def _geodesic_area(geod: Geod, shape: BaseGeometry) -> float:
    if isinstance(shape, shapely.GeometryCollection | shapely.MultiPolygon):
        return sum(_geodesic_area(geod, part) for part in shape.geoms)
    oriented = shapely.orient_polygons(shape) if shape.geom_type == "Polygon" else shape
    return abs(float(geod.geometry_area_perimeter(oriented)[0]))


def _geodesic_length(geod: Geod, shape: BaseGeometry) -> float:
    return float(geod.geometry_length(shape)) if _is_line(shape) else 0.0
