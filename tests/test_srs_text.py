"""Reference systems that make PROJ open files, and pipes beside rasters: refused before GDAL looks."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS
from pyproj.database import query_crs_info
from pyproj.exceptions import CRSError

from pixelcat.catalog.errors import ItemError, OutputError
from pixelcat.io import srs
from pixelcat.io.class_tiles import read_tile
from pixelcat.io.image import open_image
from pixelcat.io.srs_text import names_files

Function = Callable[..., Any]
NAMING = [
    "+proj=longlat +ellps=bessel +nadgrids=NAME +type=crs",
    "+proj=longlat +nadgrids=@null,NAME +type=crs",
    "proj=longlat nadgrids = NAME",
    "+proj=longlat +geoidgrids=NAME",
    "+init=NAME:foo",
    "+proj=pipeline +step +proj=hgridshift +grids=NAME",
    'GEOGCS["x",DATUM["d",SPHEROID["s",6377397,299]],EXTENSION["PROJ4","+nadgrids=NAME"]]',
    "+proj=defmodel +model=NAME +type=crs",
    "+proj=longlat +title=x model=NAME",
    'GEOGCS["x",DATUM["d",SPHEROID["s",6377397,299],EXTENSION["PROJ4_GRIDS","NAME"]]]',
    'GEOGCS["x",DATUM["d",SPHEROID["s",6377397,299],extension [ "PROJ4_GRIDS" , "a.gsb,NAME"]]]',
    'PROJCRS["x",CONVERSION["c",METHOD["PROJ defmodel model=NAME"]]]',
    'PROJCRS["x",CONVERSION["c",METHOD[\u201cPROJ tinshift file=NAME\u201d]]]',
    '{"type": "Bound\\u0043RS", "name": "NAME"}',
    "NAME",
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
    "system",
    [
        "EPSG:32631",
        "urn:ogc:def:crs:EPSG::32631",
        "+proj=merc +a=6378137 +b=6378137 +nadgrids=@null",
        "+proj=longlat +ellps=clrk66 +nadgrids=@conus,BETA2007.gsb +no_defs",
        "+init=epsg:32631",
        CRS.from_epsg(3857).to_wkt("WKT1_GDAL").replace('"', "&quot;"),
        CRS.from_proj4("+proj=gins8 +R=6e6").to_wkt().replace('"', "&quot;"),
    ],
)
def test_other_systems_pass(tile: Path, system: str) -> None:
    path = tile.with_name("a.vrt")
    path.write_text(VRT.format(f"<SRS>{system}</SRS>"))
    with open_image(path) as image:
        assert image.crs


def test_systems_of_all_registers_are_taken() -> None:
    for info in query_crs_info()[::50]:
        name = f"{info.auth_name}:{info.code}"
        known = CRS.from_user_input(name)
        assert not names_files(name)
        for way in ("WKT1_GDAL", "WKT1_ESRI", "WKT2_2019"):
            with suppress(CRSError):  # it has no words for some
                assert not names_files(known.to_wkt(way)), (name, way)


def test_the_system_within_a_geotiff_may_not_name_files(tmp_path: Path) -> None:
    """GDAL keeps the text of a system of ArcGIS, with what PROJ makes of it."""
    system = (
        'GEOGCS["x",DATUM["d",SPHEROID["Clarke 1866",6378206.4,294.978698213898],EXTENSION'
        f'["PROJ4_GRIDS","{tmp_path}/none"]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]'
    )
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8",
        crs=system, GEOTIFF_KEYS_FLAVOR="ESRI_PE", transform=Affine(0.001, 0, 15, 0, -0.001, 50),
    ) as dataset:  # fmt: skip
        dataset.write(np.full((1, 8, 8), 5, np.uint8))
    with pytest.raises(ItemError, match="its reference system names files"):
        open_image(tmp_path / "a.tif")


def test_a_user_may_name_no_grids_either(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no reference system, or one that names files"):
        srs.definition("+proj=longlat +ellps=bessel +nadgrids=/etc/passwd +type=crs")
    assert srs.definition("WGS 84 / UTM zone 31N") == srs.definition("EPSG:32631")


@pytest.mark.parametrize("suffix", [".aux.xml", ".AUX.XML", ".ovr", ".Msk"])
def test_a_pipe_beside_a_class_raster_is_no_reason_to_wait(tile: Path, suffix: str) -> None:
    os.mkfifo(f"{tile}{suffix}")
    with pytest.raises(OutputError, match="no regular file"):
        read_tile(tile)


@pytest.mark.parametrize(
    "name",
    ["a.tif.aux.xml", "A.TIF.Aux.xml", "a.tif.ovr", "a.tif.OVR", "a.tif.mSk", "a.tfw", "a.prj"],
)
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
