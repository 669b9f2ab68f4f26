"""What sqlite-utils, Datasette, rio and fio find of pixelcat, asked through those programs."""

import io
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from PIL import Image

from pixelcat import Catalog
from pixelcat.io.sources import scan

SQL = "select plot_id, ST_Area(geom) as m2 from plots_classified order by plot_id"
DATASETTE = "from datasette.cli import cli; cli()"
RIO = "from rasterio.rio.main import main_group; main_group()"
FIO = "from fiona.fio.main import main_group; main_group()"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed catalog of one plot with a photo that is classified; a class map in a table."""
    folder = tmp_path_factory.mktemp("plugins")
    Image.new("RGB", (20, 10)).save(folder / "a.jpg")
    geopandas.GeoDataFrame(
        {"plot_id": ["A"], "photo": ["a.jpg"]},
        geometry=[shapely.box(500_000, 5e6, 500_050, 5e6 + 40)],
        crs=32632,
    ).to_file(folder / "survey.gpkg", layer="plots", engine="pyogrio")
    path = folder / "results.gpkg"
    with Catalog(path, create=True) as opened:
        (plots,) = (opened.add(each) for each in scan(folder / "survey.gpkg"))
        model = opened.add_model(
            name="land", framework="Keras", definition_sha256="d", weights_sha256="w",
            definition={}, classes=[],
        )  # fmt: skip
        run = opened.start_run(model, options={}, software={}, device="CPU", decoder="none")
        opened._connection.execute(
            "insert into outputs (run_id, item_id, status, raster_path, dominant_class)"
            " values (?, 1, 'done', 'results_rasters/1.tif', 'Water')",
            (run,),
        )
        opened.write_feature_class(plots.id or 0, run)
    with sqlite3.connect(path) as database:
        database.execute("create table maps (id integer primary key, data blob)")
        for kind in ("TIFF", "JPEG"):
            buffer = io.BytesIO()
            Image.new("L", (4, 4), 7).save(buffer, kind)
            database.execute("insert into maps (data) values (?)", (buffer.getvalue(),))
        database.execute("insert into maps (data) values (?)", (b"<script>alert(1)</script>",))
    database.close()
    return path


def told(*args: Any, stdin: str = "", code: int = 0) -> str:
    """What a program of its own prints; its errors where it fails."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", *map(str, args)],
        input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def test_sqlite_utils_knows_geometries(catalog: Path) -> None:
    answer = told("-m", "sqlite_utils", catalog, SQL)
    assert json.loads(answer) == [{"plot_id": "A", "m2": 2000.0}]


def test_datasette_knows_geometries(catalog: Path) -> None:
    address = f"/results.json?sql={SQL.replace(' ', '+')}&_shape=array"
    assert json.loads(told("-c", DATASETTE, "serve", catalog, "--get", address)) == [
        {"plot_id": "A", "m2": 2000.0}
    ]


def test_datasette_shows_images_and_geometries(catalog: Path) -> None:
    page = told("-c", DATASETTE, "serve", catalog, "--get", "/results/maps")
    assert page.count('<img src="data:image/png;base64,') == 1
    assert page.count('<img src="data:image/jpeg;base64,') == 1
    assert "<script>alert(1)" not in page
    page = told("-c", DATASETTE, "serve", catalog, "--get", "/results/plots_classified")
    assert "POLYGON ((500050 5000000," in page


def test_rio_lists_class_rasters(catalog: Path) -> None:
    raster = f"{catalog.parent / 'results_rasters' / '1.tif'}\n"
    assert told("-c", RIO, "pixelcat", catalog) == raster
    assert told("-c", RIO, "pixelcat", catalog, "--where", "dominant_class = 'Crop'") == ""
    message = told("-c", RIO, "pixelcat", catalog, "--where", "birds > 1", code=2)
    assert message == "Error: sql: no such column: birds\n"
    message = told("-c", RIO, "pixelcat", catalog, "--run", "99", code=2)
    assert message == "Error: results.gpkg has no run 99\n"


def test_fio_gives_features(catalog: Path) -> None:
    lines = told("-c", FIO, "pixelcat", catalog, "select plot_id, geom from plots_classified")
    collection = json.loads(told("-c", FIO, "collect", stdin=lines))
    (feature,) = collection["features"]
    assert feature["properties"] == {"plot_id": "A"}
    assert feature["geometry"]["coordinates"][0][0] == pytest.approx([9.000636, 45.153477])
    assert "no such table: birds" in told(
        *("-c", FIO, "pixelcat", catalog, "select * from birds"), code=2
    )
