"""GeoPackage geometry blobs, and the SQL functions that R-tree triggers call.

The blob is a header with an envelope followed by WKB: OGC 12-128r18, clause 2.1.3.
"""

import math
import sqlite3
import struct
from typing import NamedTuple

_ENVELOPE_DOUBLES = {0: 0, 1: 4, 2: 6, 3: 6, 4: 8}
_EMPTY_FLAG = 0x10
_POLYGON, _MULTIPOLYGON = 3, 6


CURVES = {
    8: "CIRCULARSTRING", 9: "COMPOUNDCURVE", 10: "CURVEPOLYGON", 11: "MULTICURVE",
    12: "MULTISURFACE",
}  # fmt: skip
"""Types of geometries that a GeoPackage has by an extension each."""


class Kind(NamedTuple):
    """Of which type a geometry is."""

    number: int
    """Of the type in two dimensions, as WKB has it."""
    has_z: bool
    has_m: bool


class Bounds(NamedTuple):
    """Extent of a geometry in the units of its reference system."""

    minx: float
    maxx: float
    miny: float
    maxy: float


def encode(wkb: bytes, srs_id: int) -> bytes | None:
    """Turn WKB into a GeoPackage geometry blob with an XY envelope.

    Measures (M) are left out. A curve that GEOS cannot handle is taken as it is, without
    an envelope; None for bytes that are no geometry.

    Args:
        wkb: The geometry as ISO WKB.
        srs_id: Its row in ``gpkg_spatial_ref_sys``.
    """
    import shapely

    try:
        geometry = shapely.from_wkb(wkb, on_invalid="ignore")
        if geometry is None:
            return None
        dimension = 3 if geometry.has_z else 2
        body: bytes = shapely.to_wkb(
            geometry, flavor="iso", output_dimension=dimension, byte_order=1
        )
        if geometry.is_empty and kind(wkb).has_z:  # shapely takes it for a flat one
            body = body[:1] + struct.pack("<I", 1000 + kind(wkb).number) + body[5:]
        minx, miny, maxx, maxy = geometry.bounds
    except NotImplementedError:
        return struct.pack("<2sBBi", b"GP", 0, 0x01, srs_id) + wkb
    if geometry.is_empty:
        return struct.pack("<2sBBi", b"GP", 0, 0x01 | _EMPTY_FLAG, srs_id) + body
    header = struct.pack("<2sBBi4d", b"GP", 0, 0x03, srs_id, minx, maxx, miny, maxy)
    return header + body


def decode(blob: bytes) -> bytes:
    """Return the WKB inside a GeoPackage geometry blob.

    Raises:
        ValueError: The blob is not a GeoPackage geometry.
    """
    return blob[_header_size(blob) :]


def as_multipolygon(blob: bytes) -> bytes:
    """Return the blob of a polygon as one of a multipolygon with it; others as they are."""
    size = _header_size(blob)
    if kind(blob[size:]).number != _POLYGON:
        return blob
    return blob[:size] + struct.pack("<BII", 1, _MULTIPOLYGON, 1) + blob[size:]


def srs_id_of(blob: bytes) -> int:
    """Return the number of the reference system that a GeoPackage geometry blob names."""
    return int.from_bytes(blob[4:8], "little" if blob[3] & 1 else "big", signed=True)


def kind(wkb: bytes) -> Kind:
    """Return the type of a geometry from the first five bytes of its WKB, ISO or older."""
    number = int.from_bytes(wkb[1:5], "little" if wkb[0] else "big")
    dimensions, flat = divmod(number & 0xFFFFFF, 1000)
    return Kind(
        flat,
        has_z=dimensions in (1, 3) or bool(number & 0x80000000),
        has_m=dimensions in (2, 3) or bool(number & 0x40000000),
    )


def bounds(blob: bytes | None) -> Bounds | None:
    """Return the XY extent of a geometry blob, or None for NULL and empty geometries."""
    if blob is None or len(blob) < 8 or blob[:2] != b"GP":
        return None
    if blob[3] & _EMPTY_FLAG:
        return None
    if (blob[3] >> 1) & 7:
        order = "<" if blob[3] & 1 else ">"
        found = Bounds(*struct.unpack_from(f"{order}4d", blob, 8))
    else:
        found = _wkb_bounds(decode(blob))
    return None if math.isnan(found.minx) else found


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the ST_* functions that GeoPackage R-tree triggers need."""

    def extent(index: int) -> object:
        return lambda blob: None if (box := bounds(blob)) is None else box[index]

    def define(name: str, function: object) -> None:
        connection.create_function(name, 1, function, deterministic=True)  # type: ignore[arg-type]

    define("ST_IsEmpty", lambda blob: None if blob is None else int(bounds(blob) is None))
    for index, name in enumerate(("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")):
        define(name, extent(index))


def _header_size(blob: bytes) -> int:
    is_blob = len(blob) >= 8 and blob[:2] == b"GP"
    doubles = _ENVELOPE_DOUBLES.get((blob[3] >> 1) & 7) if is_blob else None
    if doubles is None or len(blob) < 8 + 8 * doubles:
        raise ValueError("not a GeoPackage geometry blob")
    return 8 + 8 * doubles


def _wkb_bounds(wkb: bytes) -> Bounds:
    import shapely

    try:
        minx, miny, maxx, maxy = shapely.from_wkb(wkb, on_invalid="ignore").bounds
    except (AttributeError, NotImplementedError):  # no geometry, or a curve
        return Bounds(math.nan, math.nan, math.nan, math.nan)
    return Bounds(minx, maxx, miny, maxy)
