"""GeoPackage geometry blobs, and the SQL functions that R-tree triggers call.

The blob is a header with an envelope followed by WKB: OGC 12-128r18, clause 2.1.3.
"""

import math
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

_ENVELOPE_DOUBLES = {0: 0, 1: 4, 2: 6, 3: 6, 4: 8}
_EMPTY_FLAG = 0x10
_POLYGON, _MULTIPOLYGON = 3, 6
_HEADER = struct.Struct("<2sBBi4d")
_XY = struct.Struct("<2d")
_POINT_HEAD = struct.pack("<BI", 1, 1)
_held: set[int] = set()
"""Connections of which triggers are kept from acting."""


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
    return _HEADER.pack(b"GP", 0, 0x03, srs_id, minx, maxx, miny, maxy) + body


def encode_all(wkbs: Sequence[bytes | None], srs_id: int) -> list[bytes | None]:
    """Turn many geometries into blobs like :func:`encode`; None stays None.

    Points, and geometries that need none of its care, take a fraction of the time.
    """
    blobs = [_encode_point(wkb, srs_id) for wkb in wkbs]
    rest = [n for n, wkb in enumerate(wkbs) if wkb and blobs[n] is None]
    if rest:
        found = _encode_plain([wkbs[n] or b"" for n in rest], srs_id)
        for n, blob in zip(rest, found, strict=True):
            blobs[n] = blob
    return blobs


def _encode_point(wkb: bytes | None, srs_id: int) -> bytes | None:
    """Encode a point without height in the byte order of blobs; None for all else."""
    if wkb is None or len(wkb) != 21 or wkb[:5] != _POINT_HEAD:
        return None
    x, y = _XY.unpack_from(wkb, 5)
    if math.isnan(x) or math.isnan(y):  # an empty one, or half of one
        return None
    return _HEADER.pack(b"GP", 0, 0x03, srs_id, x, x, y, y) + wkb


def _encode_plain(wkbs: Sequence[bytes], srs_id: int) -> list[bytes | None]:
    """Encode geometries all at once, or one by one where one of them is a curve, empty or measured."""
    import shapely

    try:
        shapes = shapely.from_wkb(wkbs, on_invalid="ignore")
    except NotImplementedError:
        return [encode(wkb, srs_id) for wkb in wkbs]
    odd = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    if odd.any() or any(kind(wkb).has_m for wkb in wkbs):
        return [encode(wkb, srs_id) for wkb in wkbs]
    bodies = shapely.to_wkb(shapes, flavor="iso", output_dimension=3, byte_order=1)
    return [
        _HEADER.pack(b"GP", 0, 0x03, srs_id, minx, maxx, miny, maxy) + body
        for body, (minx, miny, maxx, maxy) in zip(
            bodies, shapely.bounds(shapes).tolist(), strict=True
        )
    ]


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
    number = id(connection)

    def is_empty(blob: bytes | None) -> int | None:
        return None if blob is None else int(number in _held or bounds(blob) is None)

    def extent(index: int) -> object:
        return lambda blob: None if (box := bounds(blob)) is None else box[index]

    def define(name: str, function: object) -> None:
        connection.create_function(name, 1, function, deterministic=True)  # type: ignore[arg-type]

    define("ST_IsEmpty", is_empty)
    for index, name in enumerate(("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")):
        define(name, extent(index))


@contextmanager
def triggers_held(connection: sqlite3.Connection) -> Iterator[None]:
    """Keep the triggers of R-trees from acting on new rows: what is empty has no place in them.

    Functions cannot be registered anew while an R-tree is written; so they are told.
    """
    _held.add(id(connection))
    try:
        yield
    finally:
        _held.discard(id(connection))


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
