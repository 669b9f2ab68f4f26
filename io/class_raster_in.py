"""Finished class rasters read back."""

from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from ..catalog.errors import OutputError
from .image import Window
from .raster import GDAL_ERRORS, unplaced


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
