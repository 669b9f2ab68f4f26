"""Reference systems and ground scale: the one place that asks PROJ."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError, ProjError

from ..catalog.records import Srs
from .crs import crs_of, transformer
from .meridian import cut, whole_ring
from .srs_text import names_files

_WGS84 = Geod(ellps="WGS84")
_EDGE_POINTS = 21
_HALF = 180.0
"""Degrees: neighbours of an outline that lie further apart are on two sides of the 180th meridian."""
_DEGREE = 111_319.49
"""Metres of a degree along the equator."""

PixelArea = Callable[[int], float]
"""Row number → area in m² of a pixel in that row."""


@lru_cache(maxsize=256)
def describe(definition: str) -> Srs | None:
    """Return the record of a reference system given as WKT or ``EPSG:n``.

    Returns:
        None if it is unknown, or makes PROJ open files that it names.
    """
    known = None if names_files(definition) else _record(definition)
    return None if known is None or names_files(known.definition) else known


def _record(definition: str) -> Srs | None:
    try:
        crs = crs_of(definition)
        authority = crs.to_authority(min_confidence=100)
        wkt = crs.to_wkt("WKT1_GDAL")
    except (CRSError, ProjError):
        return None
    organization, code = authority or ("NONE", "0")
    number = int(code) if code.isdigit() else 0
    return Srs(
        organization=organization if number else "NONE",
        code=number,
        name=crs.name,
        definition=wkt,
    )


def definition(name: str) -> str:
    """Return the WKT of a reference system that a user gives: as WKT, ``EPSG:n``, or by name.

    Raises:
        ValueError: There is none of that name, or it names files.
    """
    known = _record(name)
    if known is None or names_files(known.definition):
        raise ValueError(f"{name} is no reference system, or one that names files")
    return known.definition


def is_map(definition: str) -> bool:
    """Return whether a reference system places things on a map: projected, or lon/lat."""
    crs = crs_of(definition)
    return (crs.is_projected or crs.is_geographic) and len(crs.axis_info) == 2


def is_local(definition: str) -> bool:
    """Return whether a reference system lies nowhere on the globe, or nobody knows where."""
    crs = crs_of(definition)
    return bool(crs.is_engineering) or (crs.geodetic_crs is None and not crs.is_vertical)


def short_name(definition: str) -> str:
    """Return ``EPSG:n`` or the like where a reference system has a number, else its WKT."""
    known = describe(definition)
    if known is None or not known.code:
        return definition
    return f"{known.organization}:{known.code}"


def reprojection(source: str, target: str) -> Callable[[bytes], bytes]:
    """Return what brings WKB from one reference system to another; heights stay, measures go.

    Args:
        source: The system of the geometries, as WKT.
        target: The system they are brought to.

    Raises:
        ValueError: There is no way; what is returned raises it for a geometry without one.
    """
    try:
        way = transformer(source, target)
    except (CRSError, ProjError) as error:
        raise ValueError(str(error)) from error

    def place(x: Any, y: Any, *heights: Any) -> tuple[Any, ...]:
        return (*way.transform(x, y), *heights)

    def move(wkb: bytes) -> bytes:
        try:
            shape = shapely.from_wkb(wkb)
        except (shapely.errors.GEOSException, NotImplementedError) as error:
            raise ValueError("no geometry, or a curve") from error
        if shape.has_m:
            shape = shapely.from_wkb(shapely.to_wkb(shape, output_dimension=2 + shape.has_z))
        moved = shapely.transform(shape, place, include_z=shape.has_z, interleaved=False)
        if not np.isfinite(shapely.get_coordinates(moved)).all():
            raise ValueError("a geometry has no place in the other reference system")
        placed: bytes = shapely.to_wkb(moved, flavor="iso")
        return placed

    return move


def footprint(width: int, height: int, transform: Affine, srs: Srs) -> bytes | None:
    """Return the outline of a raster in longitude and latitude, edges densified.

    Args:
        width: Pixels.
        height: Pixels.
        transform: Pixel (column, row) to map (x, y).
        srs: The reference system of the raster.

    Returns:
        A multipolygon as WKB, cut at the 180th meridian; None where it has no place there.
    """
    ring = _ring(width, height, transform, srs, "EPSG:4326")
    if ring is None:
        return None
    is_moved = circle(srs.definition) is None
    area = cut(shapely.polygons(whole_ring(ring, is_moved=is_moved)))
    return None if area.is_empty else bytes(shapely.to_wkb(area))


def outline(width: int, height: int, transform: Affine, srs: Srs, target: Srs) -> bytes | None:
    """Return the outline of a raster as WKB polygon in any reference system.

    Returns:
        None where it has no place there, or the system is cut open within the raster.
    """
    if srs == target:
        corners = [transform @ each for each in ((0, 0), (width, 0), (width, height), (0, height))]
        exact: bytes = shapely.to_wkb(shapely.polygons(corners))
        return exact
    ring = _ring(width, height, transform, srs, target.definition)
    if ring is None:
        return None
    jumps = np.abs(np.diff(ring[:, 0], append=ring[0, 0]))
    if circle(target.definition) is not None and jumps.max() > _HALF:
        return None
    wkb: bytes = shapely.to_wkb(shapely.polygons(ring))
    return wkb


def _ring(
    width: int, height: int, transform: Affine, srs: Srs, target: str
) -> NDArray[np.float64] | None:
    """Return points along the edges of a raster in a reference system, shape (points, 2)."""
    steps = np.linspace(0.0, 1.0, _EDGE_POINTS)[:-1]
    start, end = np.zeros_like(steps), np.ones_like(steps)
    columns = width * np.concatenate([steps, end, 1 - steps, start])
    rows = height * np.concatenate([start, steps, end, 1 - steps])
    a, b, c, d, e, f = transform[:6]
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    try:
        x, y = transformer(srs.definition, target).transform(x, y)
    except ProjError:
        return None
    ring = np.column_stack([x, y])
    return ring if np.isfinite(ring).all() else None


@lru_cache(maxsize=256)
def circle(definition: str) -> float | None:
    """Return how many units of a geographic system go round the globe; None for others.

    Args:
        definition: As WKT or ``EPSG:n``.
    """
    try:
        crs = crs_of(definition)
    except CRSError:
        return None
    if not crs.is_geographic or not crs.axis_info:
        return None
    return float(2 * math.pi / crs.axis_info[0].unit_conversion_factor)


def pixel_area(transform: Affine | None, definition: str | None) -> PixelArea | None:
    """Return how many m² a pixel covers, or None where the image has no ground scale.

    Planar in a projected system; in a geographic one the geodesic area of the pixel at
    that row (Karney's algorithm in PROJ).

    Args:
        transform: Pixel (column, row) to map (x, y).
        definition: The reference system as WKT.
    """
    if transform is None or definition is None:
        return None
    try:
        crs = crs_of(definition)
    except CRSError:
        return None
    if crs.is_geographic:
        return lambda row: _geodesic_area(transform, row)
    if not crs.is_projected:
        return None
    unit: float = crs.axis_info[0].unit_conversion_factor
    planar = abs(transform.determinant) * unit * unit
    return lambda row: planar


def cell_size(transform: Affine, crs: str | None, row: int, units: str | None) -> float | None:
    """Return the side of a pixel in the units of another reference system.

    Degrees and metres are compared on the ground: by the pixel's area, or along the equator.

    Args:
        transform: Pixel (column, row) to map (x, y).
        crs: What the transform is in; None where that is not known.
        row: Of the pixel.
        units: ``EPSG:n`` or WKT; None for the transform's own.

    Returns:
        None where the units of only one side are known.
    """
    own = math.sqrt(abs(transform.determinant))
    if units is None:
        return own
    if crs is None:
        return None
    here, there = crs_of(crs), crs_of(units)
    if here.is_geographic and there.is_geographic:
        return own
    if here.is_geographic:
        return math.sqrt(_geodesic_area(transform, row)) / _metres(there)
    return own * _metres(here) / (_DEGREE if there.is_geographic else _metres(there))


def unit(crs: str | None) -> str:
    """Return the name of the unit of a reference system, in the plural."""
    axes = [] if crs is None else crs_of(crs).axis_info
    return f"{axes[0].unit_name}s" if axes else "units"


def _metres(crs: CRS) -> float:
    """Return how many metres a unit of a projected system is."""
    return float(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else 1.0


@lru_cache(maxsize=1 << 16)
def _geodesic_area(transform: Affine, row: int) -> float:
    corners = [transform @ corner for corner in ((0, row), (1, row), (1, row + 1), (0, row + 1))]
    lon, lat = zip(*corners, strict=True)
    area, _ = _WGS84.polygon_area_perimeter(lon, lat)
    return math.fabs(area)
