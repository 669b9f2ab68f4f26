"""Map and image services as inputs, against a server on this machine."""

import importlib.util
import json
import math
import re
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner, Result
from pyproj import CRS

import pixelcat
from pixelcat.catalog.errors import ItemError, SourceError
from pixelcat.cli import cli
from pixelcat.io import sources
from pixelcat.io.extent import Extent
from pixelcat.io.image import RasterArray, Window, open_image
from pixelcat.io.scan_options import ScanOptions

SERVER = Path(__file__).parent / "map_server.py"
EXTENT = "5.02,52.1,5.04,52.11"
SERVICES = "/arcgis/rest/services"


class Server(NamedTuple):
    """The server, and what it serves."""

    url: str
    picture: ModuleType

    def log(self) -> dict[str, Any]:
        """What it was asked since the last call; faults begin anew."""
        with urllib.request.urlopen(f"{self.url}/log") as answer:
            return json.load(answer)

    @property
    def cell(self) -> str:
        return repr(self.picture.CELL)


@pytest.fixture(scope="session")
def picture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("map_server", SERVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def running(picture: ModuleType) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        port, _ = process.stdout.readline().split()
        yield Server(f"http://127.0.0.1:{port}", picture)
        process.kill()


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.02")
    running.log()
    return running


@pytest.fixture
def run(model_emd: Path, tmp_path: Path) -> Callable[..., Result]:
    """Classify, and check how the command ends."""

    def classify(*arguments: str, code: int = 0, out: str = "r.gpkg") -> Result:
        command = ["classify", *arguments, "-m", str(model_emd), "-o", str(tmp_path / out)]
        result = CliRunner().invoke(cli, command)
        found = getattr(result.exception, "exit_code", result.exit_code)
        assert found == code, (result.output, result.exception)
        return result

    return classify


@pytest.fixture
def as_local(
    run: Callable[..., Result], write_raster: Callable[..., Path], tmp_path: Path, server: Server
) -> Callable[..., int]:
    """Compare class maps of services, pixel by pixel, with those of files of the same pixels."""

    def compare(*options: str, beyond: int = 0, outlines: dict[str, Any] | None = None) -> int:
        """Files are larger by some pixels beyond each side than what the service was asked."""
        rows = rows_of(tmp_path / "r.gpkg")
        files = []
        for row in rows:
            place = Affine(*json.loads(row["transform"])) @ Affine.translation(-beyond, -beyond)
            size = row["width"] + 2 * beyond, row["height"] + 2 * beyond
            valid = None
            number = int(row["source_key"]) if outlines else 0
            if outlines:
                ring = shapely.Polygon(outlines[row["name"]])
                columns, lines = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
                valid = shapely.contains_xy(
                    ring, place.c + place.a * columns, place.f + place.e * lines
                )
            files.append(tmp_path / f"beyond{beyond}_{row['id']}.tif")
            write_raster(
                files[-1],
                server.picture.sample(place, *size, number=number),
                mask=None if valid is None else valid * np.uint8(255),
                transform=place,
                crs="EPSG:3857",
                photometric="MINISBLACK",
            )
        run(*map(str, files), *options, out=f"local{beyond}.gpkg")
        others = {row["name"]: row for row in rows_of(tmp_path / f"local{beyond}.gpkg")}
        for row, file in zip(rows, files, strict=True):
            with (
                rasterio.open(tmp_path / row["raster_path"]) as one,
                rasterio.open(tmp_path / others[file.name]["raster_path"]) as same,
            ):
                assert (one.shape, one.crs) == (same.shape, same.crs)
                assert one.transform.almost_equals(same.transform, 1e-4)
                classes = one.read(1)
                assert np.array_equal(classes, same.read(1)), row["name"]
                assert len(np.unique(classes)) > 1
        return len(rows)

    return compare


def rows_of(catalog: Path) -> list[sqlite3.Row]:
    """Items with their class rasters."""
    with sqlite3.connect(catalog) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(
            "SELECT i.*, o.raster_path FROM items i JOIN outputs o ON o.item_id = i.id"
            " WHERE o.status = 'done' ORDER BY i.id"
        ).fetchall()
    connection.close()
    return rows


def test_services_of_every_kind_give_the_classes_of_a_file(server, run, as_local):
    url, scene = server.url, f"{server.url}/scene.tif"
    arguments = (
        f"{url}{SERVICES}/Imagery/ImageServer",
        f"{url}{SERVICES}/Base/MapServer",
        f"{url}{SERVICES}/Cached/MapServer",
        f"wms:{url}/wms?layers=ortho&version=1.3.0",
        f"wmts:{url}/wmts/1.0.0/WMTSCapabilities.xml?layer=ortho",
        f"wmts:{url}/wmts?layer=ortho",
        f"xyz:{url}/xyz/{{z}}/{{x}}/{{y}}.png",
        f"tms:{url}/tms/{{z}}/{{x}}/{{y}}.png",
        scene,
    )
    ground = ("--extent", EXTENT, "--cell-size", server.cell)
    result = run(*arguments, *ground)
    for said in ("(c) Test Survey", "CC BY 4.0, Test Survey"):
        assert said in result.stderr
    assert as_local(*ground, "--extent-crs", "EPSG:4326") == len(arguments)
    log = server.log()
    agents = {each["headers"]["User-Agent"] for each in log["requests"]}
    assert agents == {f"pixelcat/{pixelcat.__version__}"}
    assert log["most"] <= 4
    assert run(*arguments, *ground).stdout.split("\n")[2].split()[2] == "0"  # of which now
    assert not any("exportImage" in each["path"] for each in server.log()["requests"])


def test_what_lies_beyond_the_extent_is_looked_at_as_of_a_larger_file(server, run, as_local):
    run(f"{server.url}{SERVICES}/Imagery/ImageServer", "--extent", EXTENT)
    assert as_local("--extent", EXTENT, "--extent-crs", "EPSG:4326", beyond=256) == 1


def test_each_raster_of_an_image_service_is_an_item(server, run, as_local):
    url = f"{server.url}{SERVICES}/Imagery/ImageServer"
    result = run(url, "--mode", "separate")
    rasters = server.picture.RASTERS
    outlines = {name: ring for name, category, ring in rasters.values() if category == 1}
    assert as_local(outlines=outlines) == 2, result.output


FAULTS = {
    f"{SERVICES}/Imagery/ImageServer|token/0": "Invalid token. (498), a token is needed",
    f"{SERVICES}/Base/MapServer|truncated/0": "sent an image that is cut off or damaged",
    "/wms?layers=ortho|html/0": "answered with a web page (of a sign-in?) instead of an image",
    f"{SERVICES}/Imagery/ImageServer|wider/0": "4 bands of uint16 instead of 4 of uint8",
    f"{SERVICES}/Imagery/ImageServer|gray/0": "1 band of uint8 instead of 4 of uint8",
    f"{SERVICES}/Imagery/ImageServer|half/0": "sent an image of 64 x 64 pixels instead of",
    f"{SERVICES}/Imagery/ImageServer|html/0": "ImageServer/exportImage answered with a web page",
    "/wms?layers=ortho|exception/0": "the service says: Layer is not defined today",
    "/scene.tif|html/0": "scene.tif answered with a web page (of a sign-in?) instead of a part",
    "/xyz/{z}/{x}/{y}.png|text/1": "answered with a text file (text/plain) instead of an image",
    "/xyz/{z}/{x}/{y}.png|gone/1": "answered with HTTP 404 Not Found",
    "/xyz/{z}/{x}/{y}.png|nothing/1": "answered with HTTP 204 No Content",
    "/xyz/{z}/{x}/{y}.png|short/1": "sent an image that is cut off or damaged",
    "/xyz/{z}/{x}/{y}.png|slow/1": "did not answer within 1 s",
}
"""Path, fault, images before it → what is said of it."""


def faulty(url: str, path: str, fault: str) -> str:
    prefix = "wms:" if path.startswith("/wms") else ""
    return f"{prefix}{url}/bad/{fault}{path}"


def test_what_a_service_does_wrong_fails_its_image_and_no_other(server, run, tmp_path, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "1")
    inputs = {faulty(server.url, *key.split("|")): said for key, said in FAULTS.items()}
    busy = f"{server.url}/bad/busy/1/xyz/{{z}}/{{x}}/{{y}}.png"
    ground = ("--extent", EXTENT, "--cell-size", server.cell)
    result = run(*inputs, busy, *ground, code=3)
    with sqlite3.connect(tmp_path / "r.gpkg") as connection:
        query = "SELECT d.uri, o.status, o.reason FROM outputs o JOIN items i ON i.id = o.item_id"
        rows = connection.execute(f"{query} JOIN datasets d ON d.id = i.dataset_id").fetchall()
    connection.close()
    ends = {uri.partition("#")[0]: (status, reason) for uri, status, reason in rows}
    assert ends.pop(busy) == ("done", None)
    assert len(ends) == len(inputs)
    for text, said in inputs.items():
        status, reason = ends[text.removeprefix("wms:")]
        assert status == "failed"
        assert said in reason and "\n" not in reason
        assert said in result.stderr


def test_only_tiles_that_the_model_sees_are_asked_for(server, run, as_local, tmp_path):
    """The raster reaches further than the extent, which never changes the classes in it."""
    template = f"{server.url}/xyz/{{z}}/{{x}}/{{y}}.png"
    run(f"xyz:{template}", "--extent", "5.02,52.1,5.035,52.108", "--zoom", "14")
    asked = {
        tuple(map(int, found.groups()))
        for each in server.log()["requests"]
        if (found := re.fullmatch(r"/xyz/14/(\d+)/(\d+).png", each["path"]))
    }
    (row,) = rows_of(tmp_path / "r.gpkg")
    with rasterio.open(tmp_path / row["raster_path"]) as dataset:
        left, bottom, right, top = dataset.bounds
    cell, world, near = server.picture.CELL, server.picture.WORLD, 32
    columns, lines = (
        range(
            int((start + world) / cell - near) // 256, int((end + world) / cell + near) // 256 + 1
        )
        for start, end in ((left, right), (-top, -bottom))
    )
    assert asked <= {(column, line) for column in columns for line in lines}
    assert 256 * 256 * len(asked) < row["width"] * row["height"]
    assert as_local("--extent", "5.02,52.1,5.035,52.108", "--extent-crs", "EPSG:4326") == 1


def scanned(code: int, *arguments: str) -> str:
    """Scan; return everything that it says."""
    result = CliRunner().invoke(cli, ["scan", *arguments])
    if code:
        assert result.exception.exit_code == code, result.output
        return str(result.exception)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.mark.parametrize(
    ("path", "options", "code", "said"),
    [
        (f"{SERVICES}/Imagery/ImageServer", ("--extent", "15,52,16,53"), 5, "inside --extent"),
        (
            f"{SERVICES}/Imagery/ImageServer",
            ("--cell-size", "0.01"),
            2,
            "requests, more than --max",
        ),
        (f"{SERVICES}/Imagery/ImageServer", ("--zoom", "3"), 2, "not --zoom"),
        ("/xyz/{z}/{x}/{y}.png", ("--zoom", "3", "--cell-size", "5"), 2, "both say how fine"),
        (f"{SERVICES}/Base/MapServer", ("--extent", EXTENT), 2, "--cell-size"),
        (f"{SERVICES}/Base/MapServer", ("--mode", "separate"), 2, "for image services"),
        (f"/bad/describe/0{SERVICES}/Imagery/ImageServer", (), 5, "Token Required (499)"),
        (f"/bad/auth/0{SERVICES}/Imagery/ImageServer", (), 5, "HTTP 401"),
        ("/wms?service=WMS", (), 5, "needs layers=NAME; it has ortho, roads"),
        ("/wms?service=WMS&layers=ortho", ("--cell-size", "9"), 2, "--extent"),
        ("/wmts?service=WMTS&layer=no", (), 5, "has no layer no; it has ortho"),
        ("/wmts?service=WMTS&layer=ortho", ("--zoom", "3"), 2, "it has m10, m11"),
        ("/xyz/{z}/{x}/{y}.png", ("--extent", EXTENT), 2, "--zoom"),
        ("/xyz/{z}/{x}/{y}.png", ("--zoom", "14"), 2, "--extent"),
        ("/bad/html/0/xyz/{z}/{x}/{y}.png", ("--extent", EXTENT, "--zoom", "14"), 5, "a web page"),
        ("/gone.tif", (), 5, "HTTP 404"),
        ("/xyz/14/8419/5402.png", (), 5, "image/png, which is read whole"),
    ],
)
def test_what_is_missing_is_said_in_one_line(server, path, options, code, said):
    message = scanned(code, f"{server.url}{path}", *options)
    assert said in message and "\n" not in message


@pytest.mark.parametrize(
    "text",
    [
        "https://host.test/arcgis/rest/services/A/ImageServer?token=hidden-1",
        "xyz:https://host.test/{z}/{x}/{y}.png?apikey=hidden-1",
        "wms:https://me:hidden-1@host.test/wms?layers=a",
        "https://host.test/scene.tif?X-Amz-Signature=hidden-1",
        "HTTPS://me:hidden-1@host.test/scene.tif",
        "https://host.test/scene.tif?code=hidden-1",
        "https://host.test/scene.tif;token=hidden-1?a=b",
        "https://host.test/scene.tif#token=hidden-1",
        "https://host.test/scene.tif?sv=hidden-1",
        "https://host.test/scene.tif?%74oken=hidden-1",
        "wms:https://host.test/wms?layers=a&map.auth.ticket=hidden-1",
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_repeated(text):
    message = scanned(2, text)
    assert "GDAL_HTTP_HEADERS" in message and "hidden-1" not in message


def test_credentials_from_the_environment_are_sent_and_kept_nowhere(
    server, run, tmp_path, monkeypatch
):
    secret = server.picture.SECRET
    monkeypatch.setenv("GDAL_HTTP_HEADERS", f"X-Api-Key: {secret}")
    prefix = f"{server.url}/bad/auth/0"
    wrong = f"{server.url}/bad/text/1/xyz/{{z}}/{{x}}/{{y}}.png"
    inputs = [f"{prefix}{SERVICES}/Imagery/ImageServer", wrong]
    result = run(*inputs, "--extent", EXTENT, "--cell-size", server.cell, code=3)
    assert len(rows_of(tmp_path / "r.gpkg")) == 1
    sent = [each["headers"].get("X-Api-Key") for each in server.log()["requests"]]
    assert sent and set(sent) == {secret}
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) > 1
    for said in (result.stdout, result.stderr, *map(str, left)):
        assert secret not in said
    for path in left:
        assert secret.encode() not in path.read_bytes()


@pytest.mark.parametrize("mode", ["mosaic", "separate"])
def test_a_secret_that_a_service_repeats_is_in_no_name_and_no_note(
    server, run, tmp_path, monkeypatch, mode
):
    secret = server.picture.SECRET
    monkeypatch.setenv("GDAL_HTTP_HEADERS", f"X-Api-Key: {secret}")
    url = f"{server.url}/bad/echo/0{SERVICES}/Imagery/ImageServer"
    result = run(url, "--mode", mode, "--extent", EXTENT)
    assert "From ***" in result.stderr and "\x1b" not in result.stderr
    assert secret not in result.output
    for path in tmp_path.rglob("*"):
        assert secret not in path.name and "\x1b" not in path.name
        assert not path.is_file() or secret.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    "settings",
    [
        {"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": "sEcret-T0ken"},
        {"GDAL_HTTP_HEADERS": "Accept-Language: nl\nAuthorization: Bearer sEcret-T0ken"},
        {"GDAL_HTTP_HEADERS": "Accept-Language: nl,X-Key: sEcret-T0ken"},
        {"GDAL_HTTP_HEADER_FILE": "headers.txt"},
    ],
)
def test_every_way_to_give_credentials_works(server, settings, tmp_path, monkeypatch):
    (tmp_path / "headers.txt").write_text("X-Key: sEcret-T0ken\n")
    monkeypatch.chdir(tmp_path)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for path in ("/xyz/{z}/{x}/{y}.png", "/large/{z}/{x}/{y}.png"):
        address = f"{server.url}/bad/auth/0{path}"
        pixels = read_whole(address, server, zoom="14")
        assert pixels.valid.all()


def read_whole(address: str, server: Server, crs: str | None = None, **options: Any) -> RasterArray:
    """All pixels of the only image of a service."""
    extent = Extent(bounds=tuple(map(float, EXTENT.split(","))), crs="EPSG:4326")
    look = replace(ScanOptions.checked(**options), extent=extent, crs=crs)
    if crs:
        look = replace(look, cell_size=0.0001)
    (scan,) = sources.scan(address, options=look)
    (item,) = scan.items
    assert item.status == "ready", item.reason
    with sources.reader(scan.dataset) as fetch, open_image(fetch(item)) as image:
        everything = Window(0, 0, image.height, image.width)
        return image.read(everything, tuple(range(image.bands)))


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("wms:{}/wms?layers=ortho&version=1.1.1", {"crs": "EPSG:4326"}),
        ("wms:{}/wms?layers=ortho&version=1.3.0", {"crs": "EPSG:4326"}),
        (
            "wmts:{}/wmts/1.0.0/WMTSCapabilities.xml?layer=ortho&tilematrixset=degrees",
            {"zoom": "d12"},
        ),
    ],
)
def test_axes_of_degrees_are_as_each_service_has_them(server, address, options):
    raster = read_whole(address.format(server.url), server, **options)
    bands, height, width = raster.data.shape
    right = server.picture.sample(raster.transform, width, height, degrees=True)
    assert bands == 3 and np.mean(raster.data == right[:3]) > 0.999
    assert CRS(raster.crs).to_epsg() == 4326


def test_values_of_an_image_service_come_as_they_are_and_nodata_too(server):
    raster = read_whole(f"{server.url}{SERVICES}/Heights/ImageServer", server)
    picture = server.picture.sample(raster.transform, *raster.valid.shape[::-1])
    right = server.picture.heights(picture)
    assert raster.data.dtype == np.float32
    assert 0.9 < raster.valid.mean() < 1
    assert np.array_equal(raster.valid, right[0] != -9999)
    assert np.array_equal(raster.data[0], np.where(raster.valid, right[0], 0))


def test_large_tiles_have_smaller_pixels(server):
    raster = read_whole(f"{server.url}/large/{{z}}/{{x}}/{{y}}.png", server, zoom="13")
    assert raster.transform.a == pytest.approx(server.picture.CELL)
    right = server.picture.sample(raster.transform, *raster.valid.shape[::-1])
    assert np.array_equal(raster.data, right[:3])


@pytest.mark.parametrize(
    ("path", "fine", "extent"),
    [
        ("/xyz/{z}/{x}/{y}.png", ("zoom", "14"), "5.02,52.1,5.021,52.101"),
        ("/xyz/{z}/{x}/{y}.png", ("zoom", "14"), EXTENT),
        ("/large/{z}/{x}/{y}.png", ("zoom", "13"), EXTENT),
        (f"{SERVICES}/Imagery/ImageServer", ("cell_size", ""), "5.02,52.1,5.021,52.101"),
        (f"{SERVICES}/Imagery/ImageServer", ("cell_size", "4.5"), EXTENT),
        ("/wms?layers=ortho&service=WMS", ("cell_size", "9.25"), EXTENT),
    ],
)
def test_no_more_is_counted_than_is_fetched_for_the_extent(server, path, fine, extent):
    """The pieces that the extent touches, and nothing of the rim that a model may look at."""
    bounds = tuple(map(float, extent.split(",")))
    given = {"extent": Extent(bounds=bounds, crs="EPSG:4326")}
    given[fine[0]] = float(fine[1] or server.cell) if fine[0] == "cell_size" else fine[1]
    (scan,) = sources.scan(f"{server.url}{path}", options=ScanOptions(**given))
    (item,) = scan.items
    with sources.reader(scan.dataset) as fetch:
        raster = fetch(item)
    with raster.open() as image:
        server.log()
        window = given["extent"].part_of(image).window
        image.read(window, (0,))
        asked = server.log()["requests"]
        pieces = list(raster.request.pieces(window))
    pixels = sum(piece.window.height * piece.window.width for piece in pieces)
    assert len(asked) == len(pieces)
    assert pixels <= image.width * image.height
    look = ("--extent", extent, f"--{fine[0].replace('_', '-')}", str(given[fine[0]]))
    message = scanned(2, f"{server.url}{path}", *look, "--max-pixels", str(pixels - 1))
    requests = f"{len(asked)} request{'s' * (len(asked) > 1)}"
    assert f"about {pixels:,} pixels in {requests}, more than --max-pixels" in message
    scanned(0, f"{server.url}{path}", *look, "--max-pixels", str(pixels))


def test_credentials_do_not_follow_to_another_host(server, monkeypatch):
    template = "/xyz/{z}/{x}/{y}.png"
    assert read_whole(f"{server.url}/bad/away/0{template}", server, zoom="14").valid.all()
    monkeypatch.setenv("GDAL_HTTP_HEADERS", f"Authorization: Bearer {server.picture.SECRET}")
    with pytest.raises(SourceError, match="redirects to localhost, and credentials are for one"):
        read_whole(f"{server.url}/bad/away/0{template}", server, zoom="14")
    assert_later_piece_stays(server, "Authorization")
    monkeypatch.setenv("GDAL_HTTP_HEADERS", f"X-Key: {server.picture.SECRET}")
    assert_later_piece_stays(server, "X-Key")


def assert_later_piece_stays(server: Server, header: str) -> None:
    """Behind a first tile that is where it should be."""
    server.log()
    with pytest.raises(ItemError, match="redirects to localhost, and credentials are for one"):
        read_whole(f"{server.url}/bad/away/1/xyz/{{z}}/{{x}}/{{y}}.png", server, zoom="14")
    asked = server.log()["requests"]
    assert {each["port"] for each in asked} == {int(server.url.rpartition(":")[2])}
    assert all(server.picture.SECRET in each["headers"][header] for each in asked)


def test_a_raster_file_takes_no_header_that_gdal_would_send_elsewhere(server, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_HEADERS", f"Accept-Language: nl,X-Key: {server.picture.SECRET}")
    message = scanned(2, f"{server.url}/scene.tif")
    assert "X-Key in GDAL_HTTP_HEADERS" in message and server.picture.SECRET not in message
    (asked,) = server.log()["requests"]  # by us, to tell what it is: GDAL asks nothing
    assert asked["port"] == int(server.url.rpartition(":")[2])
    assert asked["headers"]["User-Agent"].startswith("pixelcat/")


@pytest.mark.parametrize(
    "template",
    [
        "file:///etc/hostname?{TileRow}{TileCol}",
        "ftp://127.0.0.1/{TileRow}/{TileCol}.png",
        "data:image/png;base64,AAAA{TileRow}{TileCol}",
        "/vsicurl/http://127.0.0.1/{TileRow}/{TileCol}.png",
        "tiles/{TileRow}/{TileCol}.png",
        "http://[bad/{TileRow}/{TileCol}.png",
        "http://me:word@127.0.0.1/{TileRow}/{TileCol}.png",
    ],
)
def test_what_a_service_names_is_asked_for_in_the_web_only(server, template):
    address = f"{server.url}/named/{quote(template, safe='')}/WMTSCapabilities.xml?layer=ortho"
    message = scanned(5, f"wmts:{address}", "--extent", EXTENT, "--zoom", "m14")
    assert "not asked for" in message and "\n" not in message
    assert len(server.log()["requests"]) == 1


def test_a_redirect_to_a_file_is_not_followed(server):
    address = f"{server.url}/to/{quote('file:///etc/hostname', safe='')}/{{z}}/{{x}}/{{y}}.png"
    message = scanned(5, f"xyz:{address}", "--extent", EXTENT, "--zoom", "14")
    assert "is not allowed" in message


def test_credentials_stay_with_the_scheme_and_host_of_the_service(server, monkeypatch):
    template = server.url.replace("http:", "https:") + "/{TileRow}/{TileCol}.png"
    monkeypatch.setenv("GDAL_HTTP_HEADERS", "Authorization: Bearer sEcret-T0ken")
    address = f"{server.url}/named/{quote(template, safe='')}/WMTSCapabilities.xml?layer=ortho"
    message = scanned(5, f"wmts:{address}", "--extent", EXTENT, "--zoom", "m14")
    assert "credentials are for one host" in message


SQUARE = [[[557000, 6800000], [557000, 6801000], [558000, 6801000], [557000, 6800000]]]


def page_of(attributes: object, rings: object = SQUARE) -> dict[str, Any]:
    return {"page": {"features": [{"attributes": attributes, "geometry": {"rings": rings}}]}}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *(("ImageServer", {"pixelSizeX": value}) for value in (None, 0, -2, [1], math.nan, "x")),
        *(("ImageServer", {"extent": value}) for value in (None, "x", {"xmin": 5})),
        ("ImageServer", {"extent": {"xmin": 0, "ymin": 0, "xmax": 1e308, "ymax": 1}}),
        ("ImageServer", {"extent": {"xmin": 9, "ymin": 9, "xmax": 0, "ymax": 0, "spatialReference": {"wkid": 3857}}}),
        *(("ImageServer", {"bandCount": value}) for value in (0, "x", 10**9)),
        ("ImageServer", {"maxImageWidth": [1]}),
        *(("ImageServer?separate", page_of(value)) for value in (None, {}, {"OBJECTID": None})),
        ("ImageServer?separate", {"page": {"features": "abc"}}),
        *(("ImageServer?separate", page_of({"OBJECTID": 1}, r)) for r in ([[]], [[[0, 0]]], [[["x", 0]] * 4])),
        *(
            ("MapServer", {"tileInfo": {"rows": 0, "cols": 0, "lods": lods, "spatialReference": {"wkid": 3857}}})
            for lods in ("x", [{"level": 14, "resolution": 0}], [{"level": 14, "resolution": 9.5}])
        ),
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_told_in_one_line(server, kind, changes):
    kind, _, mode = kind.partition("?")
    address = f"{server.url}/said/{quote(json.dumps(changes), safe='')}/{kind}"
    options = (
        ("--mode", mode)
        if mode
        else ("--extent", EXTENT, "--zoom", "14")[: 4 if kind == "MapServer" else 2]
    )
    message = scanned(5, address, *options)
    assert "\n" not in message and len(message) < 600


def absurd(server: Server, changes: dict[str, Any], kind: str) -> str:
    """Return the address of capabilities with something else in them."""
    return f"{server.url}/said/{quote(json.dumps(changes), safe='')}/{kind}"


@pytest.mark.parametrize("value", ["-256", "0", "1e300", "NaN", "inf", "", "a", "9" * 60])
@pytest.mark.parametrize("name", ["TileWidth", "TileHeight", "MatrixWidth", "ScaleDenominator"])
def test_tiles_of_absurd_size_are_no_tiles(server, name, value):
    changes = {f"<{name}>[^<]*</{name}>": f"<{name}>{value}</{name}>"}
    address = absurd(server, changes, "WMTSCapabilities.xml")
    message = scanned(2, f"wmts:{address}?layer=ortho", "--extent", EXTENT, "--zoom", "m14")
    assert "has no zoom m14; it has none that make sense" in message
    assert "\n" not in message and len(message) < 600


@pytest.mark.parametrize("corner", ["1e300 0", "NaN NaN", "inf 5", "", "1", "1 2 3", "a b"])
def test_tiles_at_an_absurd_place_are_no_tiles(server, corner):
    changes = {"<TopLeftCorner>[^<]*": f"<TopLeftCorner>{corner}"}
    address = absurd(server, changes, "WMTSCapabilities.xml")
    message = scanned(2, f"wmts:{address}?layer=ortho", "--extent", EXTENT, "--zoom", "m14")
    assert "has no zoom m14" in message


def test_thousands_of_matrices_make_a_short_message(server):
    level = (
        "<TileMatrix><ows:Identifier>x#</ows:Identifier><ScaleDenominator>1#</ScaleDenominator>"
        "<TopLeftCorner>0 0</TopLeftCorner><TileWidth>256</TileWidth><TileHeight>256</TileHeight>"
        "<MatrixWidth>1</MatrixWidth><MatrixHeight>1</MatrixHeight></TileMatrix>"
    )
    changes = {"<TileMatrix><ows:Identifier>m10<(?s:.*?)</TileMatrix>": [level, 5000]}
    address = absurd(server, changes, "WMTSCapabilities.xml")
    asked = (f"wmts:{address}?layer=ortho", "--extent", EXTENT, "--zoom")
    message = scanned(2, *asked, "nope")
    assert "has no zoom nope; it has x0, x1, x2" in message
    assert len(message) < 1200
    assert "Layers" in scanned(0, *asked, "m14")


@pytest.mark.parametrize("value", ["1e300", "NaN", "-inf", "", "a"])
@pytest.mark.parametrize("version", ["1.1.1", "1.3.0"])
def test_a_wms_of_absurd_bounds_is_told_in_one_line(server, version, value):
    changes = {
        r'(minx|miny|maxx|maxy)="[^"]*"': f'minx="{value}"',
        "<(west|east|south|north)Bound[^>]*>[^<]*": f"<westBoundLongitude>{value}",
    }
    address = absurd(server, changes, "wms")
    asked = f"wms:{address}?layers=ortho&version={version}"
    message = scanned(5, asked, "--extent", EXTENT, "--cell-size", server.cell)
    assert "\n" not in message and len(message) < 600


def test_a_catalog_that_repeats_itself_is_left(server):
    page = page_of({"OBJECTID": 1, "LowPS": server.picture.CELL})
    page["page"]["exceededTransferLimit"] = True
    address = f"{server.url}/said/{quote(json.dumps(page), safe='')}/ImageServer"
    scanned(5, address, "--mode", "separate", "--extent", "1,1,2,2")
    assert len(server.log()["requests"]) == 3


# STAC


def stac(server: Server, name: str, **options: Any) -> list[Any]:
    """Return the items that a scan finds."""
    look = ScanOptions.checked(**options)
    (scan,) = sources.scan(f"{server.url}/stac/{name}", options=look)
    return list(scan.items)


def test_items_of_a_search_are_one_mosaic(server, run, as_local, tmp_path):
    search = f"{server.url}/stac/search?collections=x"
    run(search)
    assert as_local() == 1
    ((name, *size),) = [
        (row["name"], row["width"], row["height"]) for row in rows_of(tmp_path / "r.gpkg")
    ]
    assert (name, size) == ("search", [480, 150])
    assert run(search).stdout.split("\n")[2].split()[2] == "0"  # of which now
    run(search, "--where", '"eo:cloud_cover" > 5', "--mosaic-order", "id desc", out="part.gpkg")
    assert [row["width"] for row in rows_of(tmp_path / "part.gpkg")] == [320]


def test_each_item_of_a_search_is_an_image(server, run, as_local, tmp_path):
    run(f"{server.url}/stac/relative", "--mode", "separate", "--asset", "data")
    names = [row["name"] for row in rows_of(tmp_path / "r.gpkg")]
    assert names == ["t0.tif", "t1.tif", "t2.tif"]
    assert as_local() == 3
    assert "of a service" in scanned(0, f"{server.url}/stac/search", "--mode", "separate")
    chosen = stac(server, "search", mode="separate", where="id = 'item2'")
    assert [(each.name, each.status) for each in chosen] == [("t2.tif", "ready")]
    assert chosen[0].source_key == f"{server.url}/stac/t2.tif?v=2"
    assert [each.name for each in stac(server, "item", mode="separate")] == ["t0.tif"]


@pytest.mark.parametrize(
    ("name", "options", "code", "said"),
    [
        ("broken", (), 5, "answered with HTTP 500"),
        ("loop", (), 5, "names a page as the next one that came before"),
        ("endless", (), 5, "more than 10,000 items or 1,000 pages; narrow the search"),
        ("post", (), 5, "its next page for POST only"),
        ("catalog", (), 5, "a STAC Catalog; give an ItemCollection or an Item"),
        ("other", (), 5, "JSON that has no STAC items"),
        ("deep", (), 5, "JSON that is cut off or damaged"),
        ("search", ("--where", "cloud < 5"), 2, "cloud"),
        ("search", ("--asset", "red"), 0, "has no asset red; it has thumbnail, data"),
        ("search", ("--max-pixels", "70000"), 2, "a mosaic of 72,000 pixels, more than"),
        ("search", ("--extent", "15,52,16,53"), 5, "nothing of it lies inside --extent"),
        ("search", ("--layer", "a"), 5, "--asset chooses"),
        ("search", ("--allow-outside",), 2, "leave out --allow-outside"),
        ("gone", (), 0, "none.tif: answered with HTTP 404"),
        ("bucket", (), 0, "s3://bucket/a.tif is no address of http or https"),
    ],
)
def test_what_is_wrong_with_stac_items_is_said(server, name, options, code, said, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "1")
    options = (*options, "--mode", "separate") if code == 0 and name != "gone" else options
    message = scanned(code, f"{server.url}/stac/{name}", *options)
    assert said in " ".join(message.split())


@pytest.fixture
def saved(server, tmp_path) -> Path:
    """What a search found, in a file; its rasters are in the web."""
    host = server.url.removeprefix("http://")
    items = [server.picture.stac_item(n, f"http://{host}", "search") for n in range(3)]
    path = tmp_path / "found.json"
    said = {"type": "FeatureCollection", "stac_version": "1.0.0", "features": items}
    path.write_text(json.dumps(said))
    return path


def items_of(path: Path, **options: Any) -> list[Any]:
    (scan,) = sources.scan(path, options=ScanOptions.checked(**options))
    return list(scan.items)


def test_items_in_a_file_name_rasters_in_the_web_where_that_is_allowed(
    server, run, as_local, saved
):
    server.log()
    (mosaic,) = items_of(saved)
    assert mosaic.status == "unreadable"
    assert "a link; links are not downloaded without --allow-outside" in mosaic.reason
    assert {each.status for each in items_of(saved, mode="separate")} == {"missing"}
    assert server.log()["requests"] == []
    run(str(saved), "--allow-outside")
    assert as_local() == 1
    run(str(saved), "--allow-outside", "--mode", "separate", out="each.gpkg")


def test_a_file_gets_no_credentials_for_the_hosts_that_it_names(server, saved, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_HEADERS", f"Authorization: {server.picture.SECRET}")
    server.log()
    for options in ({}, {"mode": "separate"}):
        item = items_of(saved, allow_outside=True, **options)[0]
        assert item.status == "unreadable"
        assert "credentials are for one host; leave them out" in item.reason
    assert server.log()["requests"] == []
    monkeypatch.delenv("GDAL_HTTP_HEADERS")
    saved.write_text(saved.read_text().replace("?v=", "?sig=hidden-"))
    items = items_of(saved, allow_outside=True, mode="separate")
    assert {each.status for each in items} == {"missing"}
    assert "hidden-" not in repr(items)


def test_an_asset_that_is_gone_may_be_left_out_of_the_mosaic(server, run, as_local, tmp_path):
    (item,) = stac(server, "gone")
    assert item.status == "unreadable"
    assert "HTTP 404 Not Found; --skip-missing classifies the rest" in item.reason
    (item,) = stac(server, "gone", skip_missing=True)
    assert (item.status, item.width) == ("ready", 320)
    assert item.reason.startswith("1 of 3 members is missing")
    assert "none.tif: " in item.reason and "HTTP 404" in item.reason
    run(f"{server.url}/stac/gone", "--skip-missing")
    assert as_local() == 1
    (whole,) = stac(server, "search", skip_missing=True)
    assert (whole.status, whole.width, whole.reason) == ("ready", 480, None)


def test_an_item_without_assets_is_missing(server):
    (item,) = stac(server, "without")
    lost = "1 of 3 members is missing (item1: has no asset data; it has none)"
    assert (item.status, item.reason) == (
        "unreadable",
        f"{lost}; --skip-missing classifies the rest",
    )
    (item,) = stac(server, "without", skip_missing=True)
    assert (item.status, item.reason) == ("ready", lost)


def test_items_together_may_have_no_more_pixels_than_allowed(server):
    separate = ("--mode", "separate", "--max-pixels")
    message = scanned(2, f"{server.url}/stac/search", *separate, "71999")
    assert "items of 72,000 pixels and more, more than --max-pixels 71999" in message
    scanned(0, f"{server.url}/stac/search", *separate, "72000")
    west = "0,0,5.001,60"
    scanned(0, f"{server.url}/stac/search", *separate, "24000", "--extent", west)


def test_an_asset_that_cannot_be_had_fails_alone(server):
    ends = [(each.status, each.reason) for each in stac(server, "gone", mode="separate")]
    assert [status for status, _ in ends] == ["ready", "ready", "unreadable"]
    assert ends[2][1].startswith("answered with HTTP 404")


def test_signed_addresses_of_assets_are_not_kept(server):
    items = stac(server, "signed", mode="separate")
    assert {each.status for each in items} == {"missing"}
    assert "holds a secret (sig=...)" in items[0].reason
    assert "hidden-1" not in repr(items)
    (mosaic,) = stac(server, "signed")
    assert mosaic.status == "unreadable"
    assert "3 of 3 members are missing" in mosaic.reason and "(sig=...)" in mosaic.reason


def test_credentials_do_not_follow_items_to_another_host(server, run, monkeypatch):
    assert [each.status for each in stac(server, "there", mode="separate")] == ["ready"] * 3
    monkeypatch.setenv("GDAL_HTTP_HEADERS", f"Authorization: {server.picture.SECRET}")
    server.log()
    for options in ({"mode": "separate"}, {}):
        item = stac(server, "there", **options)[0]
        assert item.status == "unreadable"
        assert "leads to localhost" in item.reason and "credentials are for one" in item.reason
    with pytest.raises(SourceError, match="leads to localhost"):
        stac(server, "away")
    hosts = {each["headers"]["Host"] for each in server.log()["requests"]}
    assert hosts == {server.url.removeprefix("http://")}
    run(f"{server.url}/bad/auth/0/stac/relative")
    sent = [each["headers"].get("Authorization") for each in server.log()["requests"]]
    assert sent and set(sent) == {server.picture.SECRET}
