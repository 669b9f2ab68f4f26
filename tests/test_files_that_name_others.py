"""Layers, tables and rasters that lead to other files, or into a network, whatever they are called."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import geopandas
import h5py
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image

from pixelcat import scan
from pixelcat.catalog.errors import ItemError, PixelcatError
from pixelcat.io.class_tiles import read_tile
from pixelcat.io.crs import crs_of
from pixelcat.io.image import open_image
from pixelcat.io.raster_facts import declares_nodata

Function = Callable[..., Path]
STARTS = {"kml": "<!--<kml-->", "gpx": "<!--<gpx-->", "dbf": "", "tab": ""}
BEFORE = {"dbf": "C ", "tab": "!table "}
GRIDS = 'GEOGCS["x",DATUM["d",SPHEROID["s",6378137,298],EXTENSION["PROJ4_GRIDS","{}"]]]'


def described(folder: Path, kind: str, source: str) -> Path:
    """Write a file that says it is a layer, and describes another source."""
    path = folder / f"v.{kind}"
    path.write_text(
        f"{BEFORE.get(kind, '')}<OGRVRTDataSource>{STARTS[kind]}<OGRVRTLayer name='v'>{source}"
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    return path


@pytest.mark.parametrize("kind", list(STARTS))
def test_a_layer_that_describes_another_source_is_refused(tmp_path: Path, kind: str) -> None:
    marker, database = tmp_path / "MARKER", tmp_path / "any.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE v (photo TEXT)")
    source = f"<SrcDataSource>{database}</SrcDataSource><SrcSQL>VACUUM INTO '{marker}'</SrcSQL>"
    path = described(tmp_path, kind, source)
    with pytest.raises(PixelcatError, match="describes other sources, which are not followed"):
        scan(path)
    assert not marker.exists()


def test_no_process_of_ours_has_the_driver_of_such_files(tmp_path: Path) -> None:
    ask = "from pixelcat.io import native; import os; os.environ.update(native.safe_environment());"
    ask += "import pyogrio; print('OGR_VRT' in pyogrio.list_drivers())"
    for more in ({}, {"OGR_SKIP": "CSV"}):
        done = subprocess.run(
            [sys.executable, "-P", "-c", ask], capture_output=True, text=True, check=True,
            env={**os.environ, **more},
        )  # fmt: skip
        assert done.stdout == "False\n"


@pytest.mark.parametrize(
    "system",
    [
        '"crs": {"type": "link", "properties": {"href": "http://CANARY/crs"}}',
        '"crs": {"properties": {"href": "http://CANARY/crs"}, "type": "link"}',
        '"CRS": {"Type": "url", "TYPE": "name", "properties": {"url": "http://CANARY/crs"}}',
        r'"\u0063rs": {"type": "link", "properties": {"href": "http://CANARY/crs"}}',
        '"crs": {"Type": "link", "tYpe": "name", "Properties": {"href": "http://CANARY/crs"}}',
        '"crs": {"type": "name", "Properties": {"name": "PIPE"}, "pRoperties": {"name": "EPSG:1"}}',
        "'crs': {'type': 'link', 'properties': {'href': 'http://CANARY/crs'}}",
        '"crs"/* */: {"type": "link", "properties": {"href": "http://CANARY/crs"}}',
        '"crs":/* */{"type": "link", "properties": {"href": "http://CANARY/crs"}}',
        '"crs": {"type": "name", "properties": {"name": "+init=PIPE:foo +type=crs"}}',
        '"crs": {"type": "name", "properties": {"name": "+proj=longlat +nadgrids=PIPE"}}',
    ],
)
def test_the_reference_system_of_geojson_is_a_name(
    tmp_path: Path, canary: str, system: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "v.geojson"
    said = system.replace("CANARY", canary).replace("PIPE", str(tmp_path / "pipe"))
    path.write_text(
        f'{{"type": "FeatureCollection", {said}, "features": [{{"type": "Feature",'
        ' "properties": {"photo": "a.jpg", "crs": "any"}, "geometry": null}]}'
    )
    with pytest.raises(PixelcatError, match=r"has a reference system that is fetched|spells plain"):
        scan(path)
    assert list(scan(tmp_path).reasons)


@pytest.mark.parametrize(
    "system",
    [
        *("null", "{}", '"any"', '{"type": "name", "properties": {"name": null}}'),
        '{"type": "name", "properties": {"name": "EPSG:32631"}}',
        '{"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}',
        '{"type": "EPSG", "properties": {"code": 32631}}',
    ],
)
def test_a_name_is_a_reference_system_of_geojson(tmp_path: Path, system: str) -> None:
    (tmp_path / "v.geojson").write_text(
        f'{{"type": "FeatureCollection", "name": "crs", "note": "its \'crs\' is", "crs": {system},'
        ' "features": [{"type": "Feature", "properties": {"photo": "a.jpg"}, "geometry": null}]}'
    )
    assert scan(tmp_path / "v.geojson")


@pytest.mark.parametrize("name", ["v.prj", "v.cpg", "v.qix", "v.shp.xml", "v.MAP"])
def test_a_pipe_beside_a_table_is_no_reason_to_wait(tmp_path: Path, name: str) -> None:
    frame = geopandas.GeoDataFrame({"photo": ["a.jpg"]}, geometry=[shapely.Point(1, 2)], crs=4326)
    frame.to_file(tmp_path / "v.shp")
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(PixelcatError, match="beside it is no regular file"):
        scan(tmp_path / "v.shp")


def test_the_attributes_of_a_shapefile_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frame = geopandas.GeoDataFrame({"photo": ["a.jpg"]}, geometry=[shapely.Point(1, 2)], crs=4326)
    frame.to_file(tmp_path / "in/v.shp")
    (tmp_path / "in/v.dbf").rename(tmp_path / "out.dbf")
    (tmp_path / "in/v.dbf").symlink_to(tmp_path / "out.dbf")
    with pytest.raises(PixelcatError, match="leads out of its folder"):
        scan(tmp_path / "in/v.shp")


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_the_files_of_a_geodatabase_are_its_own(tmp_path: Path, kind: str) -> None:
    frame = geopandas.GeoDataFrame({"photo": ["a.jpg"]}, geometry=[shapely.Point(1, 2)], crs=4326)
    frame.to_file(tmp_path / "v.gdb", driver="OpenFileGDB")
    index = next((tmp_path / "v.gdb").glob("a0000000[1-9].gdbtablx"))
    index.rename(tmp_path / "elsewhere")
    os.mkfifo(index) if kind == "pipe" else index.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PixelcatError, match=f"{index.name} in it is no file of its own"):
        scan(tmp_path / "v.gdb")


@pytest.mark.parametrize("open_", ["Open Table", "Open,Table", ";open;table;", "x\rOpen Table"])
def test_a_table_that_is_a_view_of_others_is_refused(tmp_path: Path, open_: str) -> None:
    view = f'!table\n!version 100\n{open_} "../out/base" Hide\nCreate View v As\n'
    (tmp_path / "v.tab").write_text(view)
    with pytest.raises(PixelcatError, match="is made of other tables"):
        scan(tmp_path / "v.tab")


def test_a_table_that_is_made_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.tab").write_text(
        '!table\n!version 100\nbegin_metadata\n"\\IsSeamless" = "TRUE"\n'
    )
    with pytest.raises(PixelcatError, match="is made of other tables"):
        scan(tmp_path / "v.tab")


def test_the_reference_system_of_a_shapefile_names_no_file(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame(
        {"photo": ["a.jpg"]}, geometry=[shapely.Point(1, 2)], crs="EPSG:4326"
    )
    frame.to_file(tmp_path / "v.shp")
    assert scan(tmp_path / "v.shp")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "v.PRJ").write_text(GRIDS.format(tmp_path / "pipe"))
    with pytest.raises(PixelcatError, match=r"v\.PRJ beside it has a reference system that names"):
        scan(tmp_path / "v.shp")


def test_the_reference_system_of_a_geopackage_names_no_file(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame(
        {"photo": ["a.jpg"]}, geometry=[shapely.Point(1, 2)], crs="EPSG:32631"
    )
    frame.to_file(tmp_path / "v.gpkg")
    os.mkfifo(tmp_path / "pipe")
    with closing(sqlite3.connect(tmp_path / "v.gpkg")) as connection, connection:
        connection.execute(
            "UPDATE gpkg_spatial_ref_sys SET definition = ? WHERE srs_id = 32631",
            (GRIDS.format(tmp_path / "pipe"),),
        )
    assert scan(tmp_path / "v.gpkg")


@pytest.mark.parametrize(
    "said", ["\ufeff" + GRIDS, "Projection UTM\nZone 33\nParameters\n", "[Project]\nname=a\n"]
)
def test_only_what_may_name_a_file_is_looked_at_in_a_prj(
    tmp_path: Path, write_raster: Function, said: str
) -> None:
    path = write_raster(tmp_path / "a.tif", np.full((1, 8, 8), 5, np.uint8))
    (tmp_path / "a.prj").write_text(said, encoding="utf-8")
    if "PROJ4" in said:
        with pytest.raises(ItemError, match="names files"):
            open_image(path)
    else:
        open_image(path).__exit__()


def test_a_header_of_envi_names_no_file(tmp_path: Path) -> None:
    with rasterio.open(
        tmp_path / "a.dat", "w", driver="ENVI", width=8, height=8, count=1, dtype="uint8",
        crs="EPSG:32631", transform=Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as dataset:  # fmt: skip
        dataset.write(np.full((1, 8, 8), 200, np.uint8))
    open_image(tmp_path / "a.dat").__exit__()
    header = tmp_path / "a.hdr"
    header.write_text(f"{header.read_text()}coordinate system string = {{{GRIDS}}}\n")
    with pytest.raises(ItemError, match=r"a\.hdr beside it has a reference system that names"):
        open_image(tmp_path / "a.dat")


def test_a_pipe_among_the_metadata_of_scenes_is_no_reason_to_wait(
    tmp_path: Path, write_raster: Function
) -> None:
    path = write_raster(tmp_path / "a.tif", np.full((1, 8, 8), 5, np.uint8), crs=None)
    os.mkfifo(tmp_path / "METADATA.DIM")
    with pytest.raises(ItemError, match=r"METADATA\.DIM beside it is no regular file"):
        open_image(path)
    (tmp_path / "METADATA.DIM").rename(tmp_path / "clr-debug-pipe")
    open_image(path).__exit__()


@pytest.mark.parametrize("way", ["external", "virtual", "link"])
def test_netcdf_takes_no_pixels_from_other_files(tmp_path: Path, way: str) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"SECRET" * 100)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.full((8, 8), 7, np.uint8)
    with h5py.File(tmp_path / "a.nc", "w") as file:
        if way == "external":
            file.create_dataset("Band1", (8, 8), "u1", external=[(str(secret), 0, 64)])
        elif way == "virtual":
            layout = h5py.VirtualLayout((8, 8), "u1")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (8, 8))
            file.create_virtual_dataset("Band1", layout)
        else:
            file["Band1"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    with pytest.raises(ItemError, match="has its pixels in another file"):
        open_image(tmp_path / "a.nc")
    found = scan(tmp_path / "a.nc").reasons
    assert "has its pixels in another file (/Band1)" in found[0]["reason"]


def test_idrisi_takes_no_reference_system_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.rst").write_bytes(bytes(range(200, 216)) * 4)
    (tmp_path / "a.rdc").write_text("columns : 8\nrows : 8\nref. system : ../../out/refsys\n")
    with pytest.raises(ItemError, match=r"a\.rdc beside it has its reference system elsewhere"):
        open_image(tmp_path / "a.rst")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_picture_is_no_mask_by_what_its_comment_describes(tmp_path: Path) -> None:
    path = tmp_path / "mask.gif"
    comment = (
        b'<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="Byte" band="1">'
        b"<NoDataValue>3</NoDataValue></VRTRasterBand></VRTDataset>"
    )
    Image.new("L", (9, 9), 7).save(path, comment=comment)
    data = path.read_bytes()
    start = data.index(b"<VRT")
    path.write_bytes(data[:start].replace(b"\0", b"\1") + data[start:])
    with rasterio.open(path) as dataset:
        assert dataset.driver == "VRT"
    assert not declares_nodata(path)  # as the VRT would


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("way", ["tag", "file"])
def test_overviews_of_a_class_raster_lead_to_no_other_file(
    tmp_path: Path, write_raster: Function, way: str
) -> None:
    path = write_raster(tmp_path / "a.tif", np.full((1, 64, 64), 5, np.uint8), nodata=255)
    (tmp_path / "out").mkdir()
    other = write_raster(tmp_path / "out/b.tif", np.full((1, 32, 32), 9, np.uint8))
    if way == "tag":
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(other))
    else:
        Path(f"{path}.OVR").write_text(f"<VRTDataset><SourceFilename>{other}</SourceFilename>")
    with pytest.raises(PixelcatError, match=r"names other files|is no raster but"):
        read_tile(path)


def test_reference_systems_without_files_are_what_they_were() -> None:
    assert crs_of("EPSG:32631") == crs_of(crs_of("EPSG:32631").to_wkt())
