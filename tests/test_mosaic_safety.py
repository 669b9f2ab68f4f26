"""What mosaics from strangers may not do: reach into a network, read files of others, lie."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import rasterio.vrt
import shapely
from affine import Affine

from pixelcat.catalog.errors import ItemError, SourceError
from pixelcat.io.image import Window, open_image
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import reader, scan

Function = Callable[..., Any]
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
CRS = "EPSG:32631"
PIXELS = np.random.default_rng(5).integers(1, 256, (3, 32, 32), np.uint8)


@pytest.fixture
def tile(tmp_path: Path, write_raster: Function) -> Path:
    (tmp_path / "in").mkdir()
    return write_raster(tmp_path / "in" / "a.tif", PIXELS, transform=UTM, crs=CRS)


def read(path: Path, **options: Any) -> np.ndarray:
    """Return all pixels of the only item of an input; raise what keeps it from being read."""
    (scanned,) = scan(path, options=ScanOptions.checked(**options))
    (item,) = list(scanned.items)
    if item.status != "ready":
        raise ItemError(item.reason)
    with reader(scanned.dataset) as fetch, open_image(fetch(item)) as image:
        window = Window(0, 0, image.height, image.width)
        array: np.ndarray = image.read(window, tuple(range(image.bands))).data
    return array


def vrt(source: str, *, band: str = "", extra: str = "", size: int = 32) -> str:
    return (
        f'<VRTDataset rasterXSize="{size}" rasterYSize="{size}"><SRS>{CRS}</SRS>'
        f"<GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>{extra}"
        f'<VRTRasterBand dataType="Byte" band="1"{band}>{source}</VRTRasterBand></VRTDataset>'
    )


def simple(name: str, attributes: str = 'relativeToVRT="1"') -> str:
    return (
        f"<SimpleSource><SourceFilename {attributes}>{name}</SourceFilename>"
        "<SourceBand>1</SourceBand></SimpleSource>"
    )


SCALED = (
    '<SrcRect xOff="0" yOff="0" xSize="32" ySize="32"/>'
    '<DstRect xOff="0" yOff="0" xSize="8" ySize="8"/></SimpleSource>'
)
LOWER = (
    "<SimpleSource><sourcefilename>NAME</sourcefilename><SourceBand>1</SourceBand></SimpleSource>"
)
ATTRIBUTE = '<SimpleSource SourceFilename="NAME"><SourceBand>1</SourceBand></SimpleSource>'
RAW = '<sourcefilename relativeToVRT="0">/etc/passwd</sourcefilename><ImageOffset>0</ImageOffset>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (vrt(LOWER), "has the element <sourcefilename>"),
        (vrt(ATTRIBUTE), 'has the attribute SourceFilename="/vsicurl'),
        (vrt(simple("a.tif"), extra=f"<MaskBand>{vrt(LOWER)}</MaskBand>"), "the element <source"),
        (vrt(RAW, band=' subClass="VRTRawRasterBand"'), 'has subClass="VRTRawRasterBand"'),
        (vrt(RAW, band=' subclass="VRTRawRasterBand"'), "has the attribute subclass="),
        (vrt(simple("a.tif"), extra="<RPCTransformer><DEMPath>NAME</DEMPath></RPCTransformer>"),
         "has the element <RPCTransformer>"),
        (vrt(simple("a.tif"), extra='<Option key="COORDINATE_OPERATION">+proj=noop</Option>'),
         'has key="COORDINATE_OPERATION"'),
        (vrt(simple("a.tif"), extra='<Metadata domain="GEOLOCATION"/>'), 'domain="GEOLOCATION"'),
        (vrt(simple("a.tif"), extra='<Metadata domain="OVERVIEWS"/>'), 'domain="OVERVIEWS"'),
        (vrt(simple("NAME")), "which is no local file"),
        (vrt(simple("GTI:i.gpkg", "")), "which is no local file"),
        (vrt(simple("a.tif", 'relativeToVRT="01"')), 'relativeToVRT="01"'),
        (vrt(f"{simple('a.tif')}<?x {LOWER} ?>"), "instructions in its XML"),
        ("<!DOCTYPE a>" + vrt(simple("a.tif")), "DOCTYPE"),
    ],
)  # fmt: skip
def test_a_vrt_says_nothing_that_is_not_known(
    tile: Path, canary: str, text: str, reason: str
) -> None:
    path = tile.with_name("a.vrt")
    path.write_text(text.replace("NAME", f"/vsicurl/http://{canary}/a.tif"))
    for outside in (False, True):
        with pytest.raises(ItemError, match=r"^has|^names") as caught:
            read(path, allow_outside=outside)
        assert reason in str(caught.value)
    with pytest.raises(ItemError):
        open_image(path)


def test_what_gdal_writes_is_read(tile: Path) -> None:
    rasterio.shutil.copy(tile, tile.with_name("copy.vrt"), driver="VRT")
    copied = read(tile.with_name("copy.vrt"))
    assert (copied == PIXELS).all()
    with (
        rasterio.open(tile) as source,
        rasterio.vrt.WarpedVRT(source, crs="EPSG:3857") as warped,
    ):
        rasterio.shutil.copy(warped, tile.with_name("warped.vrt"), driver="VRT")
        assert (read(tile.with_name("warped.vrt")) == warped.read()).all()


@pytest.mark.parametrize(
    "name", ["i.gti.gpkg", "i.sqlite", "disguised.jpg", "disguised.asc", "w.tif", "d.bin"]
)
def test_sources_of_a_vrt_are_plain_rasters(tile: Path, canary: str, name: str) -> None:
    source = tile.with_name(name)
    hidden = vrt(simple(f"/vsicurl/http://{canary}/a.tif", "")).encode()
    if name in ("i.gti.gpkg", "i.sqlite"):
        write_index(source, [f"/vsicurl/http://{canary}/a.tif"])
    else:
        start = {".jpg": b"\xff\xd8\xff\xfe\x09\x09", ".asc": b"ncols 5 ", ".bin": b"\x01\x02"}
        source.write_bytes(start.get(source.suffix, b"<GDAL_WMS>") + hidden)
    tile.with_name("a.vrt").write_text(vrt(simple(name)))
    with pytest.raises(ItemError, match=r"is no raster but|its XML is damaged"):
        read(tile.with_name("a.vrt"))


def test_a_file_that_only_gdal_takes_for_a_vrt_is_no_image(tile: Path, canary: str) -> None:
    hidden = vrt(simple(f"/vsicurl/http://{canary}/a.tif", "")).encode()
    path = tile.with_name("photo.img")
    path.write_bytes(b"\x01\x02" + hidden)
    for where in (path, path.read_bytes()):
        with pytest.raises(ItemError, match="not an image"):
            open_image(where)


def test_overviews_elsewhere_are_not_followed(tile: Path, canary: str) -> None:
    """GDAL looks for overviews where a VRT reads at a coarser scale."""
    path = tile.with_name("a.vrt")
    path.write_text(vrt(simple("a.tif").replace("</SimpleSource>", SCALED), size=8))
    assert read(path).shape == (1, 8, 8)
    pointer = f"/vsicurl/http://{canary}/o.tif"
    beside = Path(f"{tile}.aux.xml")
    beside.write_text(
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{pointer}</MDI>'
        "</Metadata></PAMDataset>"
    )
    with pytest.raises(ItemError, match="names other files as overviews"):
        read(path)
    beside.unlink()
    with rasterio.open(tile, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=pointer)
    with pytest.raises(ItemError, match="names other files as its overviews"):
        read(path)


@pytest.mark.parametrize("suffix", [".msk", ".ovr", ".MSK", ".OvR"])
def test_companions_that_are_no_pixels_are_not_followed(
    tile: Path, canary: str, suffix: str
) -> None:
    flags = '<Metadata><MDI key="INTERNAL_MASK_FLAGS_1">2</MDI></Metadata>'
    link = simple(f"/vsicurl/http://{canary}/m.tif", "")
    Path(f"{tile}{suffix}").write_text(vrt(link, extra=flags))
    write_index(tile.with_name("i.gti.gpkg"), ["a.tif"])
    for path in (tile, tile.with_name("i.gti.gpkg")):
        with pytest.raises(ItemError, match=f"a.tif{suffix} beside it is no raster but an XML"):
            read(path)


@pytest.mark.parametrize(
    "name", ["/vsicurl/http://{}/a.tif", "/vsis3/bucket/a.tif", "/vsigs/bucket/a.tif"]
)
def test_a_file_never_makes_gdal_reach_into_a_network(
    tile: Path, canary: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What the checks might miss: GDAL's own switch is off for each raster that is open."""
    from pixelcat.io.raster import Raster

    monkeypatch.setenv("AWS_S3_ENDPOINT", canary)
    monkeypatch.setenv("AWS_HTTPS", "NO")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTING", "FALSE")
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    monkeypatch.setenv("GS_NO_SIGN_REQUEST", "YES")
    monkeypatch.setenv("CPL_GS_ENDPOINT", f"http://{canary}/")
    path = tile.with_name("a.vrt")
    path.write_text(vrt(simple(name.format(canary), "")))
    with pytest.raises(ItemError), Raster(path, "VRT") as image:
        image.read(Window(0, 0, 32, 32), (0,))


def write_index(path: Path, locations: list[str], boxes: Any = None) -> Path:
    west, south, east, north = 500_000, 5_000_000 - 320, 500_320, 5_000_000
    shapes = boxes or [shapely.box(west, south, east, north) for _ in locations]
    frame = geopandas.GeoDataFrame({"location": locations}, geometry=shapes, crs=CRS)
    frame.to_file(path, driver="SQLite" if path.suffix == ".sqlite" else None)
    return path


# footprints


@pytest.mark.parametrize("step", [8, 32])
def test_a_footprint_smaller_than_its_raster_fails_whatever_the_windows(
    tile: Path, step: int
) -> None:
    path = tile.with_name("i.gti.gpkg")
    write_index(path, ["a.tif"], [shapely.box(500_000, 4_999_680, 500_100, 5_000_000)])
    (scanned,) = scan(path, options=ScanOptions())
    (item,) = list(scanned.items)
    with reader(scanned.dataset) as fetch, open_image(fetch(item)) as image:
        message = r"^member a.tif lies at 500000 4999680 500320 5000000, its index says 500000 4999680 500100"
        for column in (0, 4):
            with pytest.raises(ItemError, match=message):
                image.read(Window(0, column, 2, step), (0,))


def test_a_footprint_may_be_larger_or_wrong_by_less_than_half_a_pixel(tile: Path) -> None:
    path = tile.with_name("i.gti.gpkg")
    write_index(path, ["a.tif"], [shapely.box(499_900, 4_999_684, 500_316, 5_000_000)])
    assert (read(path)[:, :, 10:42] == PIXELS).all()


def test_an_index_in_degrees_makes_the_grid_that_one_in_metres_makes(
    tile: Path, write_raster: Function
) -> None:
    place = UTM @ Affine.translation(32, 5)
    write_raster(tile.with_name("b.tif"), PIXELS, transform=place, crs=CRS)
    boxes = [shapely.box(500_000, 4_999_680, 500_320, 5_000_000),
             shapely.box(500_320, 4_999_630, 500_640, 4_999_950)]  # fmt: skip
    metres = read(write_index(tile.with_name("m.gti.gpkg"), ["a.tif", "b.tif"], boxes))
    frame = geopandas.read_file(tile.with_name("m.gti.gpkg"))
    frame.to_crs(4326).to_file(tile.with_name("d.geojson"))
    degrees = read(tile.with_name("d.geojson"))
    assert degrees.shape == metres.shape == (3, 37, 64)
    assert (degrees == metres).all()


# odd values


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"proj:transform": [0, 0, 0, 0, 0, 0]}, "item x: proj:transform .* is no place"),
        ({"proj:shape": [32, float("inf")]}, "item x: .*proj:shape .* is no place"),
        ({"proj:code": "EPSG:999999"}, "item x: EPSG:999999 is no reference system"),
        ({f"p{number}": 1 for number in range(2100)}, "its items have 21.. columns"),
        ({"proj:code": None, "proj:epsg": True}, None),
        ({"a": "\ud800", "b\0c": 10**400, "\udfff": {"d": "\ud800"}}, None),
    ],
)
def test_properties_of_any_kind(tile: Path, properties: dict[str, Any], reason: str | None) -> None:
    place = {"proj:code": CRS, "proj:shape": [32, 32], "proj:transform": list(UTM[:6])}
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "x", "properties": {**place, **properties},
        "assets": {"a": {"href": "a.tif", "roles": ["data"], "type": "image/tiff"}},
    }  # fmt: skip
    path = tile.with_name("i.json")
    path.write_text(json.dumps(item))
    if reason is None:
        assert (read(path) == PIXELS).all()
    else:
        with pytest.raises(SourceError, match=reason):
            read(path)


@pytest.mark.parametrize("href", ["a\0.tif", "\ud800.tif", ["a.tif"]])
def test_names_that_no_file_can_have_are_missing(tile: Path, href: Any) -> None:
    asset = {"href": href, "roles": ["data"], "type": "image/tiff"}
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "x", "assets": {"a": asset}}
    path = tile.with_name("i.json")
    path.write_text(json.dumps(item))
    with pytest.raises(ItemError, match=r"1 of 1 members is missing \([^:]") as caught:
        read(path)
    assert "--skip-missing" not in str(caught.value)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ("<ResX>1e-300</ResX><ResY>1</ResY>", "ResX of the tile index, 1e-300, is no size"),
        ("<MinX>nan</MinX>", "MINX of the tile index, nan, is no number"),
        ("<SRS>EPSG:nothing</SRS>", "EPSG:nothing, is no reference system"),
        ("<SortField>when</SortField>", r"no column when to sort by \(SortField\)"),
    ],
)
def test_facts_of_a_tile_index_that_cannot_be(tile: Path, facts: str, reason: str) -> None:
    write_index(tile.with_name("i.gpkg"), ["a.tif"])
    path = tile.with_name("i.gti")
    path.write_text(
        f"<GDALTileIndexDataset><IndexDataset>i.gpkg</IndexDataset>{facts}</GDALTileIndexDataset>"
    )
    with pytest.raises(SourceError, match=reason):
        read(path)


def test_an_index_without_a_reference_system(tile: Path) -> None:
    path = write_index(tile.with_name("i.shp"), ["a.tif"])
    path.with_suffix(".prj").unlink()
    assert (read(path) == PIXELS).all()
