"""Rasters that we wrote, opened again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioIOError

from ..catalog.errors import ItemError
from .companions import POINTER, check_companions
from .georeference import unplaced
from .raster import LOCAL


@contextmanager
def own_raster(path: Path) -> Iterator[Any]:
    """Open a raster that we wrote, as such: a GeoTIFF, of which GDAL follows no link into a network.

    What lies there now, and beside it, may be somebody else's.

    Raises:
        RasterioIOError: It is, and leads elsewhere; or it cannot be read.
    """
    try:
        check_companions(path)
    except ItemError as error:
        raise RasterioIOError(str(error)) from error
    with rasterio.Env(**LOCAL):
        with unplaced():
            dataset = rasterio.open(path, driver="GTiff")
        with dataset:
            if POINTER in {key.upper() for key in dataset.tags(ns="OVERVIEWS")}:
                raise RasterioIOError("it names other files as its overviews")
            yield dataset
