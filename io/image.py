"""Images as arrays: the one pixel type that travels, and opening whatever an item is.

Decoders: Pillow for JPEG, PNG, GIF, BMP, WEBP, AVIF and HEIC; GDAL (rasterio) for every other format
and for PNG with 16 bits per band. GDAL decodes JPEG to other values than everybody else,
and neither applies the EXIF orientation: we do.
"""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from ..catalog.errors import ItemError
from ..catalog.lock import assert_not_live
from .limits import Limits
from .reference import Where
from .sniff import (
    GDAL_DRIVERS,
    HEAD_BYTES,
    OTHER_DRIVERS,
    PILLOW_FORMATS,
    TEXT_DRIVERS,
    content_type,
    describe,
    is_disguised,
)

_TOLD_BY_MAGIC = (
    *(".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".gif", ".bmp", ".webp"),
    *(".jp2", ".j2k", ".heic", ".heif", ".avif"),
)
"""Names of images that begin in a way of their own; one that does not is none."""
_NATIVE_DTYPES = ("uint8", "uint16", "int16", "float32")


class Window(NamedTuple):
    """A rectangle of pixels."""

    row: int
    column: int
    height: int
    width: int


def overlap(one: Window, other: Window) -> Window | None:
    """Return what two rectangles have in common, None for nothing."""
    top, left = max(one.row, other.row), max(one.column, other.column)
    height = min(one.row + one.height, other.row + other.height) - top
    width = min(one.column + one.width, other.column + other.width) - left
    return Window(top, left, height, width) if height > 0 and width > 0 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class RasterArray:
    """Pixels of an image or of a window of it."""

    data: NDArray[Any]
    """Values with shape (bands, height, width); invalid pixels are 0."""
    valid: NDArray[np.bool_]
    """Shape (height, width). True marks data, False no data (numpy.ma has it inverted)."""
    transform: Affine | None
    """Pixel (column, row) of this array to map (x, y); None for a photo."""
    crs: str | None
    """Reference system as WKT."""


class Image(Protocol):
    """An open image."""

    width: int
    height: int
    bands: int
    """Bands that hold data; an alpha band is a mask and does not count."""
    dtype: str
    """Of the arrays that :meth:`read` returns: uint8, uint16, int16 or float32."""
    band_names: tuple[str | None, ...]
    orientation: int | None
    taken_at: str | None
    position: tuple[float, float] | None
    """Longitude and latitude of the camera in degrees."""
    direction: float | None
    """Where the camera looked, degrees clockwise from north."""
    transform: Affine | None
    crs: str | None

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the bands with these 0-based indexes."""
        ...

    def __enter__(self) -> Self:
        """Return the image itself."""
        ...

    def __exit__(self, *_: object) -> None:
        """Close the image."""
        ...


def open_image(where: Where, limits: Limits | None = None) -> Image:
    """Open an image; only its header is read.

    Args:
        where: A path, the encoded image, or a reference.
        limits: What of a file or attachment is taken; None for the usual.

    Raises:
        ItemError: No image, damaged, too large, or of a format that we do not read.
    """
    from .heif import pillow_formats
    from .photo import Photo
    from .raster import Raster
    from .upright import tiff_orientation, upright
    from .vrt_file import check_sources

    if not isinstance(where, Path | bytes):
        return where.open()
    limits = limits or Limits()
    head = read_head(where)
    media_type = content_type(head)
    if media_type in PILLOW_FORMATS and not _has_16_bit_png_bands(head):
        return Photo(where, PILLOW_FORMATS[media_type], limits)
    if media_type in ("image/heic", "image/avif"):
        return Photo(where, pillow_formats(media_type), limits)
    driver: str | tuple[str, ...] | None
    driver = "PNG" if media_type == "image/png" else GDAL_DRIVERS.get(media_type or "")
    driver = driver or _driver_of_other(where, head)
    if driver == "VRT" and isinstance(where, Path):
        check_sources(where)
    raster = Raster(where, driver, limits=limits)
    if media_type == "image/tiff" and not raster.is_placed:
        raster.orientation = tiff_orientation(where)
    return upright(raster)


def gdal_driver(path: Path) -> str | tuple[str, ...]:
    """Return the driver of GDAL that may open a raster, or those of which one may.

    Raises:
        ItemError: It is none that we read.
    """
    head = read_head(path)
    media_type = content_type(head) or ""
    if media_type in PILLOW_FORMATS:
        return PILLOW_FORMATS[media_type][0]  # GDAL calls them the same
    return GDAL_DRIVERS.get(media_type) or _driver_of_other(path, head)


def _driver_of_other(where: Path | bytes, head: bytes) -> str | tuple[str, ...]:
    """Return the driver of a raster that no magic bytes tell, or those that may be tried.

    Raises:
        ItemError: It looks like something else. A text that is a raster (a VRT) must have
            the name of one: nobody's ``photo.jpg`` makes us read another file.
    """
    from .other_rasters import check_names

    suffix = where.suffix.lower() if isinstance(where, Path) else ""
    looks_like = describe(head)
    if suffix in TEXT_DRIVERS and looks_like in ("an XML file", "a text file"):
        return TEXT_DRIVERS[suffix]
    if isinstance(where, bytes) or looks_like not in ("unknown data", "an HDF5 file"):
        raise ItemError(f"not an image but {looks_like}")
    if is_disguised(head):
        raise ItemError("not an image but something that names other files")
    if suffix in _TOLD_BY_MAGIC:
        raise ItemError("not an image that can be read: no format begins so")
    check_names(where)
    return OTHER_DRIVERS


def read_head(where: Path | bytes) -> bytes:
    """Return the first bytes of a file or BLOB.

    Raises:
        ItemError: The file cannot be read.
    """
    if isinstance(where, bytes):
        return where[:HEAD_BYTES]
    assert_not_live(where)
    try:
        with open(where, "rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise ItemError(f"cannot be read: {error.strerror}") from error


def decoder() -> str:
    """Name the decoders and their versions, for the record of a run."""
    return f"pillow {version('pillow')}, rasterio {version('rasterio')}"


def working_dtype(dtype: str) -> str:
    """Return the dtype that pixels of ``dtype`` are read as.

    Raises:
        ItemError: Complex numbers.
    """
    if dtype.startswith("complex"):
        raise ItemError(f"{dtype} pixels (complex numbers) cannot be classified")
    return dtype if dtype in _NATIVE_DTYPES else "float32"


def _has_16_bit_png_bands(head: bytes) -> bool:
    return head.startswith(b"\x89PNG") and head[24:25] == b"\x10"
