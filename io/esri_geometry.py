"""Geometry in mobile geodatabases: points decoded, everything else as its bounding box.

A blob is 0x64, reference system (3 bytes), number of points (4), dimension, kind, length of
the coordinates (4) and 4 bytes more; then whole numbers of variable length, little end first:
the first byte has a sign (0x40) and 6 bits, the others 7, and 0x80 says that more follow.
Established on points of Esri's own sample files against the boxes of their spatial index.
"""

import math
import struct

from .esri_items import SpatialReference

_MAGIC = 0x64
_POINT = 0x01
_COORDINATES = 18
"""Where they begin."""


def point_wkb(blob: object, grid: SpatialReference, *, has_z: bool) -> bytes | None:
    """Return a point as ISO WKB; None for no point, an empty one, or anything else.

    Args:
        blob: The geometry as stored.
        grid: Origin and scale of the stored whole numbers.
        has_z: Whether the feature class has heights.
    """
    if not isinstance(blob, bytes) or len(blob) <= _COORDINATES:
        return None
    if blob[0] != _MAGIC or blob[9] != _POINT or int.from_bytes(blob[4:8], "little") != 1:
        return None
    try:
        x, position = _integer(blob, _COORDINATES)
        y, position = _integer(blob, position)
        place = [x / grid.xy_scale + grid.x_origin, y / grid.xy_scale + grid.y_origin]
        if has_z:
            place.append(_integer(blob, position)[0] / grid.z_scale + grid.z_origin)
    except (IndexError, ArithmeticError):  # cut off, or scaled by nothing
        return None
    return struct.pack(f"<BI{len(place)}d", 1, 1001 if has_z else 1, *place)


def box_wkb(
    minx: float | None, maxx: float | None, miny: float | None, maxy: float | None
) -> bytes | None:
    """Return a bounding box as WKB polygon; None where there is none."""
    if minx is None or maxx is None or miny is None or maxy is None:
        return None
    if not all(map(math.isfinite, (minx, maxx, miny, maxy))):
        return None
    ring = (minx, miny, maxx, miny, maxx, maxy, minx, maxy, minx, miny)
    return struct.pack("<BIII10d", 1, 3, 1, 5, *ring)


def _integer(blob: bytes, position: int) -> tuple[int, int]:
    """Return the whole number at a position, and the position after it."""
    byte = blob[position]
    negative, value, shift = bool(byte & 0x40), byte & 0x3F, 6
    while byte & 0x80:
        position += 1
        byte = blob[position]
        value |= (byte & 0x7F) << shift
        shift += 7
    return -value if negative else value, position + 1
