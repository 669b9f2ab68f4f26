"""What GDAL says of a raster or photo on disk, of which no pixel is read."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import rasterio
from affine import Affine
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader

from ..catalog.errors import ItemError, first_line
from ..catalog.lock import assert_not_live
from .companions import check_companions
from .georeference import georeference_of, unplaced
from .image import gdal_driver
from .raster import GDAL_ERRORS, LOCAL


def georeference(path: Path, driver: str) -> tuple[Affine | None, str | None]:
    """Return transform and WKT that GDAL finds in or beside a photo; (None, None) if none.

    Args:
        path: The photo.
        driver: The only GDAL driver that may open it.

    Raises:
        ItemError: What lies beside it may not be read.
    """
    assert_not_live(path)
    check_companions(path)
    with rasterio.Env(**LOCAL), unplaced() as noted:
        try:
            with rasterio.open(path, driver=driver) as dataset:
                return georeference_of(dataset, noted)
        except GDAL_ERRORS:
            return None, None


def declares_nodata(path: Path) -> bool:
    """Return whether a raster says of any pixel that it is NoData: by a value, alpha or mask.

    Raises:
        ItemError: It is none that GDAL reads.
    """
    assert_not_live(path)
    check_companions(path)
    with _opened(path, gdal_driver(path)) as dataset:
        return any(flags != [MaskFlags.all_valid] for flags in dataset.mask_flag_enums)


def metadata_of(path: Path, driver: str, domain: str) -> dict[str, str]:
    """Return the metadata of one of GDAL's domains that a raster has.

    Raises:
        ItemError: It is none that GDAL reads.
    """
    with _opened(path, driver) as dataset:
        found: dict[str, str] = dataset.tags(ns=domain)
        return found


def files_of(path: Path, driver: str) -> list[str]:
    """Return the files that GDAL reads as one raster.

    Raises:
        ItemError: It is none that GDAL reads.
    """
    with _opened(path, driver) as dataset:
        return list(dataset.files)


@contextmanager
def _opened(path: Path, driver: str | Sequence[str]) -> Iterator[DatasetReader]:
    drivers = [driver] if isinstance(driver, str) else list(driver)
    with rasterio.Env(**LOCAL), unplaced():
        try:
            with DatasetReader(os.fspath(path), driver=drivers) as dataset:
                yield dataset
        except GDAL_ERRORS as error:
            raise ItemError(f"{path} cannot be read: {first_line(error)}") from error
