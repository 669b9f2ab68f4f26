"""Reference systems that make PROJ open files, and pipes beside rasters: refused before GDAL looks."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelcat.catalog.errors import ItemError
from pixelcat.io.image import open_image

Function = Callable[..., Any]
NAMING = [
    "+proj=longlat +ellps=bessel +nadgrids=NAME +type=crs",
    "+proj=longlat +nadgrids=@null,NAME +type=crs",
    "proj=longlat nadgrids = NAME",
    "+proj=longlat +geoidgrids=NAME",
    "+init=NAME:foo",
    "+proj=pipeline +step +proj=hgridshift +grids=NAME",
    'GEOGCS["x",DATUM["d",SPHEROID["s",6377397,299]],EXTENSION["PROJ4","+nadgrids=NAME"]]',
    'BOUNDCRS[ABRIDGEDTRANSFORMATION["t",METHOD["NTv2"],PARAMETERFILE["f","NAME"]]]',
]
VRT = (
    '<VRTDataset rasterXSize="8" rasterYSize="8">{0}<GeoTransform>5, 1, 0, 5, 0, -1</GeoTransform>'
    '<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename relativeToVRT="1">a.tif'
    "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)


@pytest.fixture
def tile(tmp_path: Path, write_raster: Function) -> Path:
    return Path(write_raster(tmp_path / "a.tif", np.full((1, 8, 8), 5, np.uint8)))


def escaped(system: str, pipe: Path) -> str:
    return system.replace("NAME", str(pipe)).replace('"', "&quot;")


@pytest.mark.parametrize("system", NAMING)
@pytest.mark.parametrize("form", ["<SRS>{0}</SRS>", '<GCPList Projection="{0}"/>'])
def test_systems_that_name_files_are_refused(tile: Path, system: str, form: str) -> None:
    pipe = tile.with_name("pipe")
    os.mkfifo(pipe)
    part = form.format(escaped(system, pipe))
    path = tile.with_name("a.vrt")
    path.write_text(VRT.format(part))
    with pytest.raises(ItemError, match=r"its reference system .* names files"):
        open_image(path)
    Path(f"{tile}.aux.xml").write_text(f"<PAMDataset>{part}</PAMDataset>")
    with pytest.raises(ItemError, match=r"a.tif.aux.xml .* names files"):
        open_image(tile)


@pytest.mark.parametrize(
    "system", ["EPSG:32631", "+proj=merc +a=6378137 +b=6378137 +nadgrids=@null", "+init=epsg:32631"]
)
def test_other_systems_pass(tile: Path, system: str) -> None:
    path = tile.with_name("a.vrt")
    path.write_text(VRT.format(f"<SRS>{system}</SRS>"))
    with open_image(path) as image:
        assert image.crs


@pytest.mark.parametrize("name", ["a.tif.aux.xml", "a.tif.ovr", "a.tif.msk", "a.tfw", "a.prj"])
def test_a_pipe_beside_a_raster_is_refused(tile: Path, name: str) -> None:
    os.mkfifo(tile.with_name(name))
    with pytest.raises(ItemError, match=f"{name} beside it is no regular file"):
        open_image(tile)


def test_systems_hidden_in_xml_are_refused(tile: Path) -> None:
    beside = Path(f"{tile}.aux.xml")
    beside.write_text("<PAMDataset><srs>+proj=longlat +nad&#103;rids=/dev/null</srs></PAMDataset>")
    with pytest.raises(ItemError, match="names files"):
        open_image(tile)
    beside.write_text("<PAMDataset><SRS>+proj=longlat +nad&#103;rids=/dev/null</SRS>")
    with pytest.raises(ItemError, match=r"a.tif.aux.xml beside it is damaged"):
        open_image(tile)
