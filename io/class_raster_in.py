"""Finished class rasters read back."""

from pathlib import Path
from typing import Any, NamedTuple

from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from ..catalog.errors import OutputError
from .image import Window
from .own_raster import own_raster
from .raster import GDAL_ERRORS


class ClassHeader(NamedTuple):
    """Size and place of a class raster."""

    width: int
    height: int
    transform: Affine
    """Pixel (column, row) to map (x, y); of a photo the identity."""
    crs: str | None
    """WKT; None for a photo."""


def read_header(path: Path) -> ClassHeader:
    """Return size and place of a class raster.

    Raises:
        OutputError: It cannot be read.
    """
    try:
        with own_raster(path) as dataset:
            crs = dataset.crs.to_wkt() if dataset.crs else None
            return ClassHeader(dataset.width, dataset.height, dataset.transform, crs)
    except GDAL_ERRORS as error:
        raise OutputError(f"cannot read {path}, which is recorded as done: {error}") from error


def tags_of(path: Path) -> dict[str, str] | None:
    """Return the tags of a raster, by its header; None where a file is none."""
    try:
        with own_raster(path) as dataset:
            return dict(dataset.tags())
    except GDAL_ERRORS:
        return None


def damage(path: Path, size: tuple[int, int] | None) -> str | None:
    """Return what is wrong with a raster by its header, None for nothing.

    Args:
        path: A GeoTIFF that we wrote.
        size: Width and height that it should have; None where that is not known.
    """
    try:
        with own_raster(path) as dataset:
            if size is not None and (dataset.width, dataset.height) != size:
                return f"has {dataset.width} x {dataset.height} pixels, not {size[0]} x {size[1]}"
            end = _end_of_pixels(dataset)
    except GDAL_ERRORS:
        return "cannot be opened"
    length = path.stat().st_size
    return f"is cut off after {length} bytes" if length < end else None


def _end_of_pixels(dataset: Any) -> int:
    """Return how long the file of a GeoTIFF must be for its blocks of full size."""
    height, width = dataset.block_shapes[0]
    end = 0
    for band in range(1, dataset.count + 1):
        for row in range(-(-dataset.height // height)):
            for column in range(-(-dataset.width // width)):
                place = f"{column}_{row}"
                offset = dataset.get_tag_item(f"BLOCK_OFFSET_{place}", "TIFF", bidx=band)
                size = dataset.get_tag_item(f"BLOCK_SIZE_{place}", "TIFF", bidx=band)
                if offset and size:  # blocks of NoData alone may have no place
                    end = max(end, int(offset) + int(size))
    return end


def read_classes(path: Path, area: Window) -> tuple[NDArray[Any], int]:
    """Return the class values of a window, shape (height, width), and the NoData value.

    Raises:
        OutputError: The raster cannot be read.
    """
    try:
        with own_raster(path) as dataset:
            inside = RasterioWindow(area.column, area.row, area.width, area.height)
            return dataset.read(1, window=inside), int(dataset.nodata)
    except GDAL_ERRORS as error:
        raise OutputError(f"cannot read {path}, which is recorded as done: {error}") from error
