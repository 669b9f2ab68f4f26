"""Map and image services as inputs, against a server on this machine."""

import importlib.util
import json
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner, Result

import pixelcat
from pixelcat.cli import cli

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
