"""Finished class rasters read back."""

from pathlib import Path
from typing import Any, NamedTuple

import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from ..catalog.errors import OutputError
from .image import Window
from .raster import GDAL_ERRORS, unplaced


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
        with unplaced():
            dataset = rasterio.open(path)
        with dataset:
            crs = dataset.crs.to_wkt() if dataset.crs else None
            return ClassHeader(dataset.width, dataset.height, dataset.transform, crs)
    except GDAL_ERRORS as error:
        raise OutputError(f"cannot read {path}, which is recorded as done: {error}") from error


def tags_of(path: Path) -> dict[str, str] | None:
    """Return the tags of a raster, by its header; None where a file is none."""
    try:
        with unplaced(), rasterio.open(path) as dataset:
            return dict(dataset.tags())
    except GDAL_ERRORS:
        return None


def read_classes(path: Path, area: Window) -> tuple[NDArray[Any], int]:
    """Return the class values of a window, shape (height, width), and the NoData value.

    Raises:
        OutputError: The raster cannot be read.
    """
    try:
        with unplaced():
            dataset = rasterio.open(path)
        with dataset:
            inside = RasterioWindow(area.column, area.row, area.width, area.height)
            return dataset.read(1, window=inside), int(dataset.nodata)
    except GDAL_ERRORS as error:
        raise OutputError(f"cannot read {path}, which is recorded as done: {error}") from error
