"""Rasters that no file and no memory can hold fail alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelcat import classify
from pixelcat.catalog.errors import ItemError
from pixelcat.io.raster_out import ClassRasterSpec

Function = Callable[..., Any]
BAND = (
    '<VRTRasterBand dataType="Byte" band="{0}"><SimpleSource><SourceFilename relativeToVRT="1">'
    "a.tif</SourceFilename><SourceBand>{0}</SourceBand></SimpleSource></VRTRasterBand>"
)


def test_a_vrt_larger_than_any_file_fails_alone(
    model_emd: Path, tmp_path: Path, write_raster: Function
) -> None:
    tile = write_raster(tmp_path / "a.tif", np.full((3, 20, 20), 90, np.uint8))
    large = tmp_path / "large.vrt"
    large.write_text(
        '<VRTDataset rasterXSize="2000000000" rasterYSize="2000000000"><SRS>EPSG:32631</SRS>'
        "<GeoTransform>5e5, 1, 0, 5e6, 0, -1</GeoTransform>"
        + "".join(BAND.format(number) for number in (1, 2, 3))
        + "</VRTDataset>"
    )
    done = classify([large, tile], model=model_emd, output=tmp_path / "r.gpkg")
    assert (done.done, done.failed, done.exit_code) == (1, 1, 3)
    assert "2000000000 x 2000000000 pixels, more than a GeoTIFF" in done.failures[0].reason


@pytest.mark.parametrize("size", [(1 << 23, 1 << 23), (8_388_608, 8_388_608 - 511)])
def test_the_largest_geotiff_passes(size: tuple[int, int]) -> None:
    ClassRasterSpec(width=size[0], height=size[1], classes=()).check()
    with pytest.raises(ItemError, match="more than a GeoTIFF can hold"):
        ClassRasterSpec(width=size[0] + 1, height=size[1], classes=()).check()
