"""Kinds of mosaics: tile indexes, STAC items, VRTs, tile tables and Esri mosaic datasets."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner
from rasterio.shutil import copy

from pixelcat import classify
from pixelcat.catalog.errors import ItemError, SourceError, UsageError
from pixelcat.cli import cli
from pixelcat.io.image import Window, open_image
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import SOURCES, reader, scan
from pixelcat.io.vrt_words import is_vrt_text
from pixelcat.processors.inputs import as_inputs

Function = Callable[..., Any]
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
CRS = "EPSG:32631"
WHOLE = np.random.default_rng(3).integers(1, 256, (3, 40, 60), np.uint8)


@pytest.fixture
def tiles(tmp_path: Path, write_raster: Function) -> list[Path]:
    """Three tiles side by side, which WHOLE is made of."""
    (tmp_path / "tiles").mkdir()
    return [
        write_raster(
            tmp_path / "tiles" / f"t{number}.tif",
            WHOLE[:, :, number * 20 : number * 20 + 20],
            transform=UTM @ Affine.translation(number * 20, 0),
            crs=CRS,
        )
        for number in range(3)
    ]


@pytest.fixture
def frame(tiles: list[Path]) -> geopandas.GeoDataFrame:
    """An index of them, with absolute paths."""
    boxes = []
    for path in tiles:
        with rasterio.open(path) as dataset:
            boxes.append(shapely.box(*dataset.bounds))
    columns = {"location": [str(path) for path in tiles], "cloud": [1, 2, 3]}
    return geopandas.GeoDataFrame(columns, geometry=boxes, crs=CRS)


def found(path: Path, **options: Any) -> Any:
    """Return kind, dataset and items of an input that is one dataset."""
    (scanned,) = scan(path, options=ScanOptions.checked(**options))
    return scanned.dataset.kind, scanned.dataset, list(scanned.items)


def pixels(path: Path, **options: Any) -> np.ndarray:
    """Return all pixels of the only item of an input."""
    _, dataset, (item,) = found(path, **options)
    assert item.status == "ready", item.reason
    with reader(dataset) as fetch, open_image(fetch(item)) as image:
        window = Window(0, 0, image.height, image.width)
        array: np.ndarray = image.read(window, tuple(range(image.bands))).data
    return array


def reasons(path: Path, **options: Any) -> list[tuple[str, str | None]]:
    return [(item.status, item.reason) for item in found(path, **options)[2]]


# tile indexes


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("a.gti.gpkg", "GPKG"),
        ("a.shp", "ESRI Shapefile"),
        ("a.geojson", "GeoJSON"),
        ("a.gti.fgb", "FlatGeobuf"),
        ("a.sqlite", "SQLite"),
    ],
)
def test_tile_indexes_are_found_out(
    tmp_path: Path, frame: geopandas.GeoDataFrame, name: str, driver: str
) -> None:
    frame.to_file(tmp_path / name, driver=driver)
    kind, dataset, (item,) = found(tmp_path / name)
    assert (kind, dataset.layer, item.kind, item.width) == ("gti", "mosaic", "mosaic", 60)
    assert (pixels(tmp_path / name) == WHOLE).all()
    kind, dataset, items = found(tmp_path / name, mode="separate", where="cloud >= 2")
    items.sort(key=lambda item: item.source_key)  # FlatGeobuf has an order of its own
    assert [item.source_key for item in items] == ["tiles/t1.tif", "tiles/t2.tif"]
    assert all(item.kind == "member" and item.status == "ready" for item in items)
    with reader(dataset) as fetch:
        assert fetch(items[0]) == tmp_path / "tiles" / "t1.tif"


def test_a_plain_geopackage_is_a_tile_index_where_the_user_says_so(
    tmp_path: Path, frame: geopandas.GeoDataFrame
) -> None:
    path = tmp_path / "a.gpkg"
    frame.to_file(path, layer="one", driver="GPKG")
    assert found(path)[0] == "photo_columns"
    assert (pixels(path, source_kind="gti") == WHOLE).all()
    frame.iloc[:1].to_file(path, layer="two", driver="GPKG")
    with pytest.raises(SourceError, match=r"which layer is the tile index.*one, two"):
        found(path, source_kind="gti")
    assert found(path, source_kind="gti", layer="TWO")[2][0].width == 20


def test_layers_that_are_no_tile_index(tmp_path: Path, frame: geopandas.GeoDataFrame) -> None:
    photos = frame.assign(location=["a.jpg", "b.jpg", "c.jpg"])
    photos.to_file(tmp_path / "photos.geojson", driver="GeoJSON")
    points = frame.set_geometry(frame.centroid)
    points.to_file(tmp_path / "points.geojson", driver="GeoJSON")
    for name in ("photos", "points"):
        assert not SOURCES["gti"].matches(tmp_path / f"{name}.geojson")
    frame.drop(columns="location").to_file(tmp_path / "b.gti.gpkg", driver="GPKG")
    with pytest.raises(SourceError, match="no column location with paths; there are"):
        found(tmp_path / "b.gti.gpkg")


def test_what_gdal_says_in_xml_is_followed(
    tmp_path: Path, tiles: list[Path], frame: geopandas.GeoDataFrame, write_raster: Function
) -> None:
    over = WHOLE[:, :, 10:30] ^ 1
    path = write_raster(
        tmp_path / "tiles" / "o.tif", over, transform=UTM @ Affine.translation(10, 0), crs=CRS
    )
    with rasterio.open(path) as dataset:
        box = shapely.box(*dataset.bounds)
    more = geopandas.GeoDataFrame({"location": [str(path)], "cloud": [0]}, geometry=[box], crs=CRS)
    every = pandas.concat([frame, more]).rename(columns={"location": "file"})
    every.to_file(tmp_path / "index.gpkg", layer="tiles", driver="GPKG")
    for field, order, sees_tiles in [("cloud", "true", True), ("cloud", "false", False)]:
        (tmp_path / "m.gti").write_text(
            f"<GDALTileIndexDataset><IndexDataset>{tmp_path}/index.gpkg</IndexDataset>"
            "<IndexLayer>tiles</IndexLayer><LocationField>file</LocationField>"
            f"<SortField>{field}</SortField><SortFieldAsc>{order}</SortFieldAsc>"
            "<Filter>cloud &lt; 3</Filter><ResX>10</ResX><ResY>10</ResY>"
            "<MinX>500000</MinX><MinY>4999600</MinY><MaxX>500600</MaxX><MaxY>5000000</MaxY>"
            "</GDALTileIndexDataset>"
        )
        with rasterio.open(tmp_path / "m.gti", driver="GTI") as dataset:
            expected = dataset.read()
        assert (pixels(tmp_path / "m.gti") == expected).all()
        assert not expected[:, :, 40:].any()
        assert (expected[:, :, :40] == WHOLE[:, :, :40]).all() == sees_tiles


def test_metadata_of_a_layer_say_the_grid(tmp_path: Path, frame: geopandas.GeoDataFrame) -> None:
    path = tmp_path / "a.gti.gpkg"
    frame.to_file(
        path, driver="GPKG", layer_metadata={"RESX": "20", "RESY": "20"}, engine="pyogrio"
    )
    _, _, (item,) = found(path)
    assert (item.width, item.height, item.transform[:3]) == (30, 20, (20, 0, 500_000))
    assert item.reason is None
    blocks = WHOLE.reshape(3, 20, 2, 30, 2).astype(float).mean((2, 4))
    assert np.abs(pixels(path).astype(float) - blocks).max() <= 0.5


def test_a_grid_without_a_system_is_in_that_of_the_index(
    tmp_path: Path, frame: geopandas.GeoDataFrame
) -> None:
    path = tmp_path / "a.gti.gpkg"
    says = {"RESX": "0.0001", "RESY": "0.0001"}
    frame.to_crs(4326).to_file(path, driver="GPKG", layer_metadata=says, engine="pyogrio")
    _, _, (item,) = found(path)
    assert (item.srs.code, item.transform[0]) == (4326, 0.0001)
    with rasterio.open(path, driver="GTI") as dataset:
        assert (dataset.crs.to_epsg(), dataset.res) == (4326, (0.0001, 0.0001))
        assert abs(dataset.width - item.width) <= 2
        assert abs(dataset.height - item.height) <= 2


def test_an_index_in_degrees_of_tiles_in_metres(
    tmp_path: Path, frame: geopandas.GeoDataFrame
) -> None:
    path = tmp_path / "a.gti.gpkg"
    frame.to_crs(4326).to_file(path, driver="GPKG")
    _, _, (item,) = found(path, mosaic_order="first")
    assert item.srs.code == 32631
    array = pixels(path, mosaic_order="first")
    assert all(0 <= a - b <= 2 for a, b in zip(array.shape[1:], (40, 60), strict=True))
    row, column = (round(x) for x in (~Affine(*item.transform) @ (500_000, 5_000_000))[::-1])
    assert (array[:, row : row + 40, column : column + 60] == WHOLE).all()


def test_locations_that_are_no_local_files(
    tmp_path: Path, frame: geopandas.GeoDataFrame, tiles: list[Path]
) -> None:
    names = ["https://example.com/a.tif?token=x", "/vsicurl/https://example.com/b.tif", ""]
    frame.assign(location=names).to_file(tmp_path / "a.gti.gpkg", driver="GPKG")
    states = found(tmp_path / "a.gti.gpkg", mode="separate")[2]
    assert [item.status for item in states] == ["missing"] * 3
    by_key = {item.source_key: item.reason for item in states}
    assert by_key["https://example.com/a.tif"] == "a link; links are not downloaded"
    assert by_key["unnamed"] == "the index gives no path"
    ((status, reason),) = reasons(tmp_path / "a.gti.gpkg", skip_missing=True)
    assert status == "unreadable"
    assert reason.startswith("3 of 3 members are missing")


# VRT


def write_vrt(path: Path, sources: list[Path | str], *, relative: bool = True) -> Path:
    """Put three tiles of 20 columns side by side."""
    bands = ""
    for band in (1, 2, 3):
        parts = "".join(
            f'<SimpleSource><SourceFilename relativeToVRT="{int(relative)}">{source}</SourceFilename>'
            f'<SourceBand>{band}</SourceBand><SrcRect xOff="0" yOff="0" xSize="20" ySize="40"/>'
            f'<DstRect xOff="{number * 20}" yOff="0" xSize="20" ySize="40"/></SimpleSource>'
            for number, source in enumerate(sources)
        )
        bands += f'<VRTRasterBand dataType="Byte" band="{band}">{parts}</VRTRasterBand>'
    path.write_text(
        f'<VRTDataset rasterXSize="60" rasterYSize="40"><SRS>{CRS}</SRS><GeoTransform>500000, 10, 0,'
        f" 5000000, 0, -10</GeoTransform>{bands}</VRTDataset>"
    )
    return path


def test_a_vrt_is_one_image_or_each_of_its_sources(tmp_path: Path, tiles: list[Path]) -> None:
    path = write_vrt(tmp_path / "a.vrt", [f"tiles/{tile.name}" for tile in tiles])
    kind, dataset, (item,) = found(path)
    assert (kind, dataset.layer, item.kind) == ("vrt", "mosaic", "mosaic")
    assert (pixels(path) == WHOLE).all()
    _, dataset, items = found(path, mode="separate")
    assert [each.source_key for each in items] == [f"tiles/{tile.name}" for tile in tiles]
    _, _, items = found(path, mode="separate", where="name != 't1.tif'")
    assert [each.name for each in items] == ["t0.tif", "t2.tif"]
    with pytest.raises(UsageError, match="says itself what it is made of"):
        found(path, where="name != 't1.tif'")


def test_a_vrt_changes_with_what_it_is_made_of(tmp_path: Path, tiles: list[Path]) -> None:
    inner = write_vrt(tmp_path / "tiles" / "inner.vrt", [tile.name for tile in tiles])
    outer = write_vrt(tmp_path / "a.vrt", ["tiles/inner.vrt"])
    hashes = {found(outer)[2][0].sha256}
    os.utime(tiles[1], (1, 1))
    hashes.add(found(outer)[2][0].sha256)
    inner.write_text(inner.read_text() + "\n")
    hashes.add(found(outer)[2][0].sha256)
    assert len(hashes) == 3


def test_a_missing_source_of_a_vrt_is_an_item_error(tmp_path: Path, tiles: list[Path]) -> None:
    path = write_vrt(tmp_path / "a.vrt", [f"tiles/{tile.name}" for tile in tiles])
    tiles[2].unlink()
    assert reasons(path) == [("unreadable", f"its source {tiles[2]} is missing")]
    assert [status for status, _ in reasons(path, mode="separate")] == ["ready", "ready", "missing"]


@pytest.mark.parametrize("name", [" ../tiles/t0.tif", "../tiles/t0.tif\n", "a\r.tif", "\ta.tif"])
def test_a_name_that_gdal_reads_as_another_is_refused(tmp_path: Path, name: str) -> None:
    """GDAL leaves out what stands before a name, and reads line breaks its own way."""
    ((status, reason),) = reasons(write_vrt(tmp_path / "a.vrt", [name]))
    assert status == "unreadable"
    assert "blanks at its ends, or line breaks in it" in reason


@pytest.mark.parametrize("encoding", ["iso-8859-1", "cp437", "UTF-16"])
def test_a_vrt_in_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    """XML says which letters a name has; GDAL takes its bytes for UTF-8."""
    path = write_vrt(tmp_path / "a.vrt", ["ä.tif"])
    text = f"<?xml version='1.0' encoding='{encoding}'?>\n{path.read_text()}"
    path.write_bytes(text.encode("utf-8" if encoding == "UTF-16" else encoding))
    ((status, reason),) = reasons(path)
    assert status == "unreadable"
    assert "encoding other than UTF-8" in reason


def test_a_vrt_stays_in_its_folder_unless_the_user_lets_it_out(
    tmp_path: Path, tiles: list[Path]
) -> None:
    folder = tmp_path / "apart"
    folder.mkdir()
    names = [f"../tiles/{tile.name}" for tile in tiles]
    path = write_vrt(folder / "a.vrt", names)
    ((status, reason),) = reasons(path)
    assert status == "unreadable"
    assert reason.endswith("t0.tif, outside its own folder; --allow-outside lets it")
    assert (pixels(path, allow_outside=True) == WHOLE).all()
    assert (
        pixels(write_vrt(folder / "b.vrt", list(tiles), relative=False), allow_outside=True)
        == WHOLE
    ).all()
    assert {status for status, _ in reasons(path, mode="separate")} == {"missing"}
    (folder / "link.tif").symlink_to(tiles[0])
    assert "outside its own folder" in reasons(write_vrt(folder / "c.vrt", ["link.tif"]))[0][1]
    inner = write_vrt(folder / "inner.vrt", names)
    assert "outside its own folder" in reasons(write_vrt(folder / "d.vrt", [inner.name]))[0][1]
    with pytest.raises(ItemError, match="outside its own folder"):
        open_image(path)


def test_the_text_of_a_vrt_counts_as_a_file_in_the_current_folder(
    tmp_path: Path, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[Path | str] = [f"tiles/{tile.name}" for tile in tiles]
    for relative in (True, False):
        text = write_vrt(tmp_path / "a.vrt", names, relative=relative).read_text()
        monkeypatch.chdir(tmp_path)
        (scanned,) = scan(f" {text}")
        (item,) = scanned.items
        assert item.status == "ready", item.reason
        monkeypatch.chdir("/")  # where it is read later does not matter
        with reader(scanned.dataset) as fetch, open_image(fetch(item)) as image:
            assert (image.read(Window(0, 0, 40, 60), (0, 1, 2)).data == WHOLE).all()
    monkeypatch.chdir(tmp_path)
    (scanned,) = scan(text, options=ScanOptions.checked(mode="separate", where="name > 't0.tif'"))
    items = list(scanned.items)
    assert [each.source_key for each in items] == ["tiles/t1.tif", "tiles/t2.tif"]
    with reader(scanned.dataset) as fetch:
        assert fetch(items[0]) == tiles[1]


def test_the_text_of_a_vrt_may_name_no_more_than_a_file_of_one(
    tmp_path: Path, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = write_vrt(tmp_path / "a.vrt", list(tiles), relative=False).read_text()
    monkeypatch.chdir(tmp_path / "tiles")
    assert [each.status for (one,) in [scan(text)] for each in one.items] == ["ready"]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    (scanned,) = scan(text)
    ((status, reason),) = [(each.status, each.reason) for each in scanned.items]
    assert status == "unreadable" and "outside its own folder" in (reason or "")
    (scanned,) = scan(text, options=ScanOptions.checked(allow_outside=True))
    assert [each.status for each in scanned.items] == ["ready"]
    with pytest.raises(SourceError, match="the text of a VRT: its XML is damaged"):
        list(scan(text[:-5]))
    with pytest.raises(SourceError, match="which is no local file"):
        list(scan(text.replace(str(tiles[0]), "/vsicurl/http://127.0.0.1:9/a.tif")))
    with pytest.raises(UsageError, match="--source-kind wms: the input is the text of a VRT"):
        list(scan(text, options=ScanOptions.checked(source_kind="wms")))


@pytest.mark.parametrize(
    "before",
    [
        "\n  ",
        "<?xml version='1.0' encoding='ISO-8859-1'?>\n",
        "\ufeff<?xml version='1.0'?><!-- made by\n a tool --> <!-- > -->",
    ],
)
def test_a_declaration_and_comments_may_stand_before_a_vrt(
    tmp_path: Path, tiles: list[Path], monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text = write_vrt(tmp_path / "a.vrt", [f"tiles/{tile.name}" for tile in tiles]).read_text()
    (scanned,) = scan(as_inputs(before + text)[0])
    (item,) = scanned.items
    with reader(scanned.dataset) as fetch, open_image(fetch(item)) as image:
        assert (image.read(Window(0, 0, 40, 60), (0, 1, 2)).data == WHOLE).all()
    assert not is_vrt_text(before + "<other/><VRTDataset/>")


def test_the_text_of_a_vrt_is_classified_as_its_file(
    tmp_path: Path, tiles: list[Path], model_emd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_vrt(tmp_path / "a.vrt", [f"tiles/{tile.name}" for tile in tiles])
    extent = {"extent": "500000,4999800,500400,5000000"}
    rasters = []
    for given in (path, path.read_text()):
        run = classify(given, model=model_emd, output=tmp_path / "out.gpkg", environment=extent)
        assert (run.done, run.classified_now) == (1, 1)
        rasters.append(max(run.rasters.rglob("*.tif"), key=lambda file: file.stat().st_mtime_ns))
    with rasterio.open(rasters[0]) as one, rasterio.open(rasters[1]) as other:
        assert one.name != other.name and one.bounds == other.bounds == (
            500_000,
            4_999_800,
            500_400,
            5_000_000,
        )
        assert (one.read() == other.read()).all()
    command = ["classify", path.read_text(), "-m", str(model_emd), "-o", "out.gpkg"]
    result = CliRunner().invoke(cli, [*command, "--extent", extent["extent"]])
    assert result.exit_code == 0, (result.output, result.exception)
    assert (
        classify(
            path.read_text(), model=model_emd, output="out.gpkg", environment=extent
        ).classified_now
        == 0
    )


@pytest.mark.parametrize(
    ("source", "content", "reason"),
    [
        ("/vsicurl/http://127.0.0.1:9/a.tif", None, "which is no local file"),
        ("http://127.0.0.1:9/a.tif", None, "which is no local file"),
        ("&lt;GDAL_WMS&gt;&lt;/GDAL_WMS&gt;", None, "which is no local file"),
        ("w.tif", b"<GDAL_WMS><Service/></GDAL_WMS>", "is no raster but an XML file"),
        ("w.tif", b"PK\x03\x04", "is no raster but a ZIP archive"),
        ("a.vrt", None, "VRTs in VRTs"),
    ],
)
def test_a_vrt_reads_local_rasters_and_nothing_else(
    tmp_path: Path, source: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / source).write_bytes(content)
    ((status, said),) = reasons(write_vrt(tmp_path / "a.vrt", [source]))
    assert status == "unreadable"
    assert reason in said


# STAC


def stac_item(path: Path, number: int, **extra: Any) -> dict[str, Any]:
    """An item with a raster, a preview and the projection extension."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"item{number}",
        "collection": "c",
        "geometry": None,
        "properties": {"datetime": f"2024-0{number + 1}-01T00:00:00Z", "eo:cloud_cover": number * 10, **extra},
        "assets": {
            "thumbnail": {"href": "t.png", "type": "image/png", "roles": ["thumbnail"]},
            "image": {"href": path.as_posix(), "type": "image/tiff; application=geotiff", "roles": ["data"]},
        },
        "links": [],
    }  # fmt: skip


@pytest.fixture
def collection(tmp_path: Path, tiles: list[Path]) -> Path:
    """An ItemCollection of the tiles."""
    path = tmp_path / "items.json"
    items = []
    for number, tile in enumerate(tiles):
        place = {
            "proj:code": CRS,
            "proj:shape": [40, 20],
            "proj:transform": [10, 0, 500_000 + number * 200, 0, -10, 5_000_000],
        }
        items.append(stac_item(tile.relative_to(tmp_path), number, **place))
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def test_stac_items_are_a_mosaic(collection: Path) -> None:
    kind, dataset, (item,) = found(collection)
    assert (kind, dataset.layer, item.kind) == ("stac", "mosaic", "mosaic")
    assert (pixels(collection) == WHOLE).all()
    _, _, items = found(collection, mode="separate", where='"eo:cloud_cover" < 15')
    assert [each.source_key for each in items] == ["tiles/t0.tif", "tiles/t1.tif"]
    for options in ({"asset": "image"}, {"mosaic_order": "datetime desc"}):
        assert (pixels(collection, **options) == WHOLE).all()
    assert reasons(collection, mode="separate", asset="red")[0] == (
        "missing", "has no asset red; it has thumbnail, image",
    )  # fmt: skip


def test_a_single_stac_item_and_one_without_a_projection(tmp_path: Path, tiles: list[Path]) -> None:
    path = tmp_path / "item.json"
    path.write_text(json.dumps(stac_item(tiles[1], 0)))
    assert (pixels(path) == WHOLE[:, :, 20:40]).all()


def test_a_transform_of_the_item_is_not_put_together_with_the_shape_of_an_asset(
    tmp_path: Path, tiles: list[Path]
) -> None:
    place = {"proj:code": CRS, "proj:shape": [4, 2], "proj:transform": [5, 0, 0, 0, -5, 0]}
    item = stac_item(tiles[1], 0, **place)
    item["assets"]["image"]["proj:shape"] = [40, 20]
    (tmp_path / "item.json").write_text(json.dumps(item))
    assert (pixels(tmp_path / "item.json") == WHOLE[:, :, 20:40]).all()


def test_columns_of_any_name(tmp_path: Path, tiles: list[Path]) -> None:
    extra = {"_number": 5, "Größe": 1, "rowid": 7, "a b": [1, 2], "order": True}
    (tmp_path / "item.json").write_text(json.dumps(stac_item(tiles[1], 0, **extra)))
    for where in ("_number = 5", '"Größe" = 1', "rowid = 7", '"a b" = \'[1, 2]\'',
                  '"order" = 1'):  # fmt: skip
        assert found(tmp_path / "item.json", where=where)[2][0].status == "ready"
    for order in ("größe", "A B desc", '"order"'):
        assert found(tmp_path / "item.json", mosaic_order=order)[2][0].status == "ready"


def test_the_asset_must_be_clear(tmp_path: Path, tiles: list[Path]) -> None:
    item = stac_item(tiles[0], 0)
    item["assets"]["other"] = item["assets"]["image"]
    (tmp_path / "item.json").write_text(json.dumps(item))
    with pytest.raises(SourceError, match=r"which asset of its items.*: image, other"):
        found(tmp_path / "item.json")
    del item["assets"]["other"], item["assets"]["image"]["roles"]
    (tmp_path / "item.json").write_text(json.dumps(item))
    assert (pixels(tmp_path / "item.json") == WHOLE[:, :, :20]).all()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"type": "Catalog", "stac_version": "1.0.0"}, "a STAC Catalog; give an ItemCollection"),
        ({"type": "Feature", "stac_version": "1.0.0"}, "no item with assets"),
        ({"type": "FeatureCollection", "features": []}, "no item with assets"),
        ({"type": "FeatureCollection", "features": [{"assets": {}}, 5]}, "no item with assets"),
        ({"type": "FeatureCollection", "features": None}, "give an ItemCollection or an Item"),
    ],
)
def test_other_stac_documents(tmp_path: Path, document: Any, message: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document))
    for options in ({}, {"skip_missing": True}):
        with pytest.raises(SourceError, match=message):
            found(tmp_path / "a.json", **options)


@pytest.mark.parametrize("change", [{"assets": {}}, {"assets": None}])
def test_an_item_without_assets_is_missing(collection: Path, change: dict[str, Any]) -> None:
    said = json.loads(collection.read_text())
    said["features"][1].update(change)
    collection.write_text(json.dumps(said))
    lost = "1 of 3 members is missing (item1: has no asset image; it has none)"
    assert reasons(collection) == [("unreadable", f"{lost}; --skip-missing classifies the rest")]
    assert reasons(collection, skip_missing=True) == [("ready", lost)]
    assert reasons(collection, mode="separate")[1] == (
        "missing", "has no asset image; it has none",
    )  # fmt: skip


def test_what_is_no_item_is_missing(collection: Path) -> None:
    said = json.loads(collection.read_text())
    said["features"] += [None, {}]
    collection.write_text(json.dumps(said))
    found_there = found(collection, mode="separate")[2]
    assert [(each.source_key, each.status) for each in found_there[3:]] == [
        ("item 4", "missing"), ("item 5", "missing"),
    ]  # fmt: skip


def test_an_item_on_another_machine_is_missing(tmp_path: Path, tiles: list[Path]) -> None:
    path = tmp_path / "item.json"
    item = stac_item(tiles[0], 0)
    item["assets"]["image"]["href"] = "https://example.com/a.tif"
    path.write_text(json.dumps(item))
    ((status, reason),) = reasons(path)
    assert status == "unreadable"
    assert "a link; links are not downloaded" in reason


# tile tables


def test_tile_tables_of_a_geopackage_are_items(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    arrays = {"ortho": np.tile(WHOLE, (1, 8, 8)), "older": np.tile(WHOLE[:, ::-1], (1, 8, 8))}
    for name, array in arrays.items():
        with rasterio.open(
            path, "w", driver="GPKG", count=3, height=320, width=480, dtype="uint8", crs=CRS,
            transform=UTM, RASTER_TABLE=name, APPEND_SUBDATASET="YES", TILE_FORMAT="PNG",
        ) as dataset:  # fmt: skip
            dataset.write(array)
    scans = list(scan(path))
    assert [(each.dataset.kind, each.dataset.layer) for each in scans] == [
        ("tile_tables", "ortho"), ("tile_tables", "older"),
    ]  # fmt: skip
    items = [item for each in scans for item in each.items]
    assert [(item.name, item.status, item.bands) for item in items] == [
        ("ortho", "ready", 3), ("older", "ready", 3),
    ]  # fmt: skip
    assert items[0].sha256 != items[1].sha256
    for name, array in arrays.items():
        assert (pixels(path, layer=name.upper()) == array).all()
    with pytest.raises(SourceError, match="no tile table none; there are ortho, older"):
        found(path, layer="none")


def test_mbtiles(tmp_path: Path, write_raster: Function) -> None:
    place = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    source = write_raster(
        tmp_path / "a.tif", np.tile(WHOLE, (1, 8, 8)), transform=place, crs="EPSG:3857"
    )
    copy(source, tmp_path / "a.mbtiles", driver="MBTiles", TILE_FORMAT="PNG")
    kind, _, (item,) = found(tmp_path / "a.mbtiles")
    assert (kind, item.status, item.bands, item.srs.code) == ("tile_tables", "ready", 3, 3857)
    with rasterio.open(tmp_path / "a.mbtiles") as dataset:
        expected = dataset.read([1, 2, 3]) * (dataset.read(4) != 0)
    assert (pixels(tmp_path / "a.mbtiles") == expected).all()
    with sqlite3.connect(tmp_path / "a.mbtiles") as database:
        database.execute("delete from tiles")
    database.close()
    assert found(tmp_path / "a.mbtiles")[0] == "tile_tables"


# Esri mosaic datasets


@pytest.fixture
def geodatabase(tmp_path: Path, frame: geopandas.GeoDataFrame) -> Path:
    """A mosaic dataset of the tiles and an overview, as far as GDAL can write one."""
    path = tmp_path / "mosaic.gdb"
    boxes = [*frame.geometry, frame.union_all()]
    geopandas.GeoDataFrame(
        {
            "Name": [f"t{number}" for number in range(4)],
            "Category": np.array([1, 1, 1, 2], np.int32),
            "CloudCover": [0.0, 5.0, 10.0, 15.0],
        },
        geometry=[shapely.MultiPolygon([box]) for box in boxes],
        crs=CRS,
    ).to_file(path, driver="OpenFileGDB", layer="AMD_ortho_CAT")
    return path


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """What Export Mosaic Dataset Paths writes on a Windows machine."""
    rows = [(n + 1, rf"\\server\share\tiles\t{n}.tif") for n in range(3)]
    rows += [(1, r"\\server\share\tiles\t0.tif.ovr"), (4, r"D:\overviews\Ov_1.tif")]
    frame = pandas.DataFrame(rows, columns=["SourceOID", "Path"])
    geopandas.GeoDataFrame(frame).to_csv(tmp_path / "paths.csv", index=False)
    return tmp_path / "paths.csv"


def test_an_esri_mosaic_dataset_by_its_exported_paths(geodatabase: Path, exported: Path) -> None:
    kind, dataset, (item,) = found(geodatabase, paths=exported)
    assert (kind, dataset.layer, item.width) == ("esri_mosaic", "mosaic", 60)
    assert (pixels(geodatabase, paths=exported) == WHOLE).all()
    _, _, items = found(geodatabase, paths=exported, mode="separate", where="cloudcover > 0")
    assert [each.source_key for each in items] == ["tiles/t1.tif", "tiles/t2.tif"]
    with pytest.raises(UsageError, match="no column cloud; the items have Category, CloudCover"):
        found(geodatabase, paths=exported, where="cloud > 0")


def test_paths_as_dbf(geodatabase: Path, exported: Path, tmp_path: Path) -> None:
    import pyogrio

    pyogrio.write_dataframe(pandas.read_csv(exported), tmp_path / "p.dbf", driver="ESRI Shapefile")
    assert (pixels(geodatabase, paths=tmp_path / "p.dbf") == WHOLE).all()


def test_an_esri_mosaic_dataset_alone(geodatabase: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"ortho is a mosaic dataset.*Export Mosaic Dataset Paths"
    ):
        found(geodatabase)
    with pytest.raises(SourceError, match=r"which mosaic dataset.*: ortho"):
        found(geodatabase, layer="dem")
    with pytest.raises(SourceError, match="no such file"):
        found(geodatabase, paths=tmp_path / "none.dbf")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"no table with the columns SourceOID and Path.*a, b"):
        found(geodatabase, paths=tmp_path / "other.csv")


def test_items_without_one_file_are_missing(geodatabase: Path, exported: Path) -> None:
    text = exported.read_text().replace("3,", "2,")
    exported.write_text(text)
    states = found(geodatabase, paths=exported, mode="separate")[2]
    assert [(each.status, each.reason) for each in states] == [
        ("ready", None),
        ("missing", "is made of 2 files (t1.tif, t2.tif)"),
        ("missing", "--paths has none"),
    ]


# the command line


def test_the_options_of_the_command_line(tmp_path: Path, frame: geopandas.GeoDataFrame) -> None:
    path = tmp_path / "a.gti.gpkg"
    frame.to_file(path, driver="GPKG")
    said = ["--mode", "process_items_separately", "--where", "cloud < 3", "--format", "json"]
    result = CliRunner().invoke(cli, ["scan", str(path), *said])
    assert result.exit_code == 0, result.output
    (layer,) = json.loads(result.output)["layers"]
    assert (layer["layer"], layer["photos"]) == ("separate, where cloud < 3", 2)
    Path(frame["location"][0]).unlink()
    said = ["--mode", "mosaic", "--skip-missing", "--mosaic-order", "cloud desc"]
    result = CliRunner().invoke(cli, ["scan", str(path), *said])
    assert "note: a.gti.gpkg: 1 of 3 members is missing (tiles/t0.tif" in result.output.replace(
        f"{tmp_path}/", ""
    )


# all of them


def test_every_kind_is_classified_and_then_done(
    tmp_path: Path,
    tiles: list[Path],
    frame: geopandas.GeoDataFrame,
    collection: Path,
    geodatabase: Path,
    exported: Path,
    exact_net: Function,
    write_raster: Function,
    read_raster: Function,
) -> None:
    exact_net(poolings=0).save(tmp_path / "net.keras")
    frame.to_file(tmp_path / "a.gti.gpkg", driver="GPKG")
    vrt = write_vrt(tmp_path / "a.vrt", [f"tiles/{tile.name}" for tile in tiles])
    whole = write_raster(tmp_path / "whole.tif", WHOLE, transform=UTM, crs=CRS)
    inputs = [whole, tmp_path / "a.gti.gpkg", vrt, collection]
    call = {"model": tmp_path / "net.keras", "output": tmp_path / "r.gpkg"}
    for again in (False, True):
        run = classify(inputs, **call)
        assert (run.done, run.classified_now) == (4, 0 if again else 4), run.failures
        run = classify(geodatabase, paths=exported, **call)
        assert (run.done, run.classified_now) == (1, not again), run.failures
    first, *others = map(read_raster, sorted(run.rasters.glob("*.tif")))
    assert len(others) == 4
    assert all((first == other).all() for other in others)


@pytest.mark.shared_data
def test_landsat_scenes_as_a_mosaic_by_year(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "imagery" / "opengeos"
    scenes = sorted(folder.rglob("*.tif"))
    with rasterio.open(scenes[-1]) as dataset:
        newest = dataset.read()
    array = pixels(folder, mode="mosaic", mosaic_order="name desc")
    has_data = newest.any(0)
    assert (array[:, has_data] == newest[:, has_data]).all()
