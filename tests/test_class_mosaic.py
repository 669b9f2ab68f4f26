"""The class rasters of a run as one raster: in the catalog, as VRT, as STAC."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from pyproj import Transformer

from pixelcat import classify
from pixelcat.catalog.errors import UsageError
from pixelcat.catalog.store import Catalog
from pixelcat.cli import cli
from pixelcat.io import fingerprint
from pixelcat.processors.export_mosaic import export_mosaic, export_stac

Function = Callable[..., Any]
UTM = "EPSG:32631"
LEFT, TOP, CELL = 500_000, 5_000_000, 10
PLACES = {"a": (0, 0), "b": (0, 40), "c": (25, 0)}
"""Row and column of tiles of 30 x 50 pixels in the mosaic; ``b`` and ``c`` lie over ``a``."""
SIZE = (55, 90)


@pytest.fixture
def tiles(tmp_path: Path, write_raster: Function) -> Path:
    """A folder with three overlapping tiles, some NoData in each."""
    folder = tmp_path / "tiles"
    folder.mkdir()
    for seed, (name, (row, column)) in enumerate(PLACES.items()):
        pixels = np.random.default_rng(seed).integers(1, 255, (3, 30, 50)).astype(np.uint8)
        pixels[:, :4, :6] = 0
        place = Affine(CELL, 0, LEFT + column * CELL, 0, -CELL, TOP - row * CELL)
        write_raster(folder / f"{name}.tif", pixels, nodata=0, crs=UTM, transform=place)
    return folder


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that were just written count as unchanged."""
    monkeypatch.setattr(fingerprint, "_SETTLED_S", -1.0)


@pytest.fixture
def run(tiles: Path, model_emd: Path, tmp_path: Path) -> Any:
    return classify(tiles, model=model_emd, output=tmp_path / "results.gpkg")


def together(catalog: Path, run_id: int = 1) -> np.ndarray:
    """Return the class rasters of a run pasted by hand, later ones over earlier ones."""
    whole = np.full(SIZE, 255, np.uint8)
    for path in sorted((catalog.parent / f"results_rasters/run_{run_id}").glob("*.tif")):
        if path.stem[-1] not in PLACES:
            continue
        row, column = PLACES[path.stem[-1]]
        with rasterio.open(path) as raster:
            classes = raster.read(1)
        part = whole[row : row + 30, column : column + 50]
        np.copyto(part, classes, where=classes != 255)
    return whole


def mosaic(catalog: Path, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
    with rasterio.open(catalog, driver="GTI", **options) as raster:
        facts = {
            "nodata": raster.nodata, "crs": raster.crs, "names": raster.descriptions,
            "colors": raster.colormap(1), "transform": raster.transform,
        }  # fmt: skip
        return raster.read(1), facts


def test_the_catalog_opens_as_one_raster(run, gpkg_errors):
    classes, facts = mosaic(run.catalog)
    np.testing.assert_array_equal(classes, together(run.catalog))
    assert set(np.unique(classes)) > {255}
    assert facts["nodata"] == 255
    assert facts["crs"] == UTM
    assert facts["names"] == ("class",)
    assert facts["transform"] == Affine(CELL, 0, LEFT, 0, -CELL, TOP)
    known = run.sql("select value, color from classes order by value")
    for row in known:
        assert "#{:02x}{:02x}{:02x}".format(*facts["colors"][row["value"]][:3]) == row["color"]
    assert gpkg_errors(run.catalog) == []


def test_it_is_found_wherever_one_stands(run, tmp_path, monkeypatch):
    elsewhere = tmp_path / "moved"
    elsewhere.mkdir()
    shutil.move(run.catalog, elsewhere)
    shutil.move(run.catalog.with_name("results_rasters"), elsewhere)
    monkeypatch.chdir("/")
    classes, _ = mosaic(elsewhere / "results.gpkg")
    np.testing.assert_array_equal(classes, together(elsewhere / "results.gpkg"))


def test_a_repeated_run_leaves_the_file_as_it_is(run, tiles, model_emd):
    before = run.catalog.read_bytes()
    classify(tiles, model=model_emd, output=run.catalog)
    assert run.catalog.read_bytes() == before


def test_the_newest_run_is_shown_and_older_ones_by_name(run, tiles, model_emd):
    (tiles / "c.tif").unlink()
    classify(tiles, model=model_emd, output=run.catalog, arguments={"tile_size": "64"})
    newest, _ = mosaic(run.catalog)
    older, _ = mosaic(run.catalog, LAYER="class_mosaic_1")
    np.testing.assert_array_equal(older, together(run.catalog))
    np.testing.assert_array_equal(newest, together(run.catalog, 2)[:30])


def test_a_tile_in_another_reference_system_is_warped(tiles, model_emd, tmp_path, write_raster):
    x, y = Transformer.from_crs(UTM, 4326, always_xy=True).transform(LEFT + 2_000, TOP)
    pixels = np.random.default_rng(9).integers(1, 255, (3, 30, 50)).astype(np.uint8)
    place = Affine(1e-4, 0, x, 0, -1e-4, y)
    write_raster(tiles / "d.tif", pixels, crs="EPSG:4326", transform=place)
    run = classify(tiles, model=model_emd, output=tmp_path / "results.gpkg")
    assert run.notes == ()
    with rasterio.open(run.catalog, driver="GTI") as raster:
        assert raster.crs == UTM
        column, row = ~raster.transform @ (LEFT + 2_200, TOP - 100)
        classes = raster.read(1)
        assert classes[int(row), int(column)] != 255
        left, top = (int(value) for value in ~raster.transform @ (LEFT, TOP))
        assert raster.transform @ (left, top) == pytest.approx((LEFT, TOP), abs=1e-6)
    own = classes[top : top + SIZE[0], left : left + SIZE[1]]
    np.testing.assert_array_equal(own, together(run.catalog))  # tiles on the grid stay as they are
    done = export_mosaic(run.catalog, tmp_path / "m.vrt")
    assert done.rasters == 3
    assert done.missing == ("d.tif: in WGS 84, a virtual raster has one reference system",)
    assert export_stac(run.catalog, tmp_path / "m.json").rasters == 4


@pytest.mark.parametrize("cell", [0.000269494585235856, 1 / 30, 0.1])
def test_a_single_raster_keeps_its_size(model_emd, tmp_path, write_raster, cell):
    pixels = np.random.default_rng(1).integers(1, 255, (3, 37, 69)).astype(np.uint8)
    place = Affine(cell, 0, -74.70661, 0, -cell, -8.16161)
    path = write_raster(tmp_path / "a.tif", pixels, crs="EPSG:4326", transform=place)
    run = classify(path, model=model_emd, output=tmp_path / "results.gpkg")
    classes, facts = mosaic(run.catalog)
    (output,) = run.sql("select raster_path from outputs")
    with rasterio.open(run.catalog.parent / output["raster_path"]) as raster:
        np.testing.assert_array_equal(classes, raster.read(1))
    assert facts["transform"].almost_equals(place, precision=1e-9)


def test_photos_make_no_mosaic(model_emd, tmp_path, photo_bytes):
    (tmp_path / "a.jpg").write_bytes(photo_bytes())
    run = classify(tmp_path / "a.jpg", model=model_emd, output=tmp_path / "results.gpkg")
    assert run.done == 1
    tables = run.sql("select name from sqlite_master where name like 'class_mosaic%'")
    assert tables == []
    with pytest.raises(UsageError, match="no class raster with a place"):
        export_mosaic(run.catalog, tmp_path / "m.vrt")


def test_rotated_rasters_are_left_out_with_a_note(model_emd, tmp_path, write_raster):
    pixels = np.random.default_rng(3).integers(1, 255, (3, 30, 50)).astype(np.uint8)
    place = Affine.translation(LEFT, TOP) @ Affine.rotation(20) @ Affine.scale(10, -10)
    path = write_raster(tmp_path / "turned.tif", pixels, crs=UTM, transform=place)
    run = classify(path, model=model_emd, output=tmp_path / "results.gpkg")
    assert run.notes == ("not in the mosaic of class rasters: 1 rotated",)
    before = run.catalog.read_bytes()
    classify(path, model=model_emd, output=run.catalog)
    assert run.catalog.read_bytes() == before
    with pytest.raises(UsageError, match="rotated"):
        export_mosaic(run.catalog, tmp_path / "m.vrt")


def test_a_virtual_raster_shows_the_same(run, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    result = CliRunner().invoke(cli, ["export", str(run.catalog), "--mosaic", f"{folder}/m.vrt"])
    assert result.exit_code == 0, result.output
    with rasterio.open(folder / "m.vrt") as raster:
        np.testing.assert_array_equal(raster.read(1), together(run.catalog))
        assert raster.nodata == 255
        assert raster.colormap(1)[9] == mosaic(run.catalog)[1]["colors"][9]
    assert str(tmp_path) not in (folder / "m.vrt").read_text()


def test_stac_items_name_rasters_and_classes(run, tmp_path):
    path = run.catalog.parent / "items.json"
    result = CliRunner().invoke(cli, ["export", str(run.catalog), "--stac", str(path)])
    assert result.exit_code == 0, result.output
    document = json.loads(path.read_text())
    assert document["type"] == "FeatureCollection"
    assert len(document["features"]) == 3
    item = document["features"][1]
    assert item["properties"]["proj:epsg"] == 32631
    assert item["properties"]["proj:shape"] == [30, 50]
    assert item["properties"]["proj:transform"] == [CELL, 0, LEFT + 400, 0, -CELL, TOP]
    west, south, east, north = item["bbox"]
    assert 3 < west < east < 3.1 and 45 < south < north < 45.2
    asset = item["assets"]["classes"]
    assert (path.parent / asset["href"]).is_file()
    listed = {each["value"]: each for each in asset["classification:classes"]}
    assert set(listed) == {1, 2, 9, 255}
    assert listed[255]["nodata"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give one of --photos"),
        (["--mosaic", "m.vrt", "--stac", "m.json"], "give one of --photos"),
        (["--mosaic", "m.vrt", "--name", "x"], "--name goes with --photos"),
        (["--photos", "out", "--run", "1"], "--run goes with --mosaic and --stac"),
        (["--mosaic", "m.vrt", "--run", "7"], "no run 7"),
        (["--mosaic", "none/m.vrt"], "none/m.vrt: there is no folder none; make it first"),
        (["--mosaic", "results.gpkg/m.vrt"], "there is no folder results.gpkg; it is a file"),
        (["--stac", "results.gpkg"], "ends in .json"),
        (["--mosaic", "there.vrt"], "exists and is left alone"),
    ],
)
def test_what_export_refuses(run, options, message, monkeypatch):
    monkeypatch.chdir(run.catalog.parent)
    Path("there.vrt").write_text("mine")
    result = CliRunner().invoke(cli, ["export", run.catalog.name, *options])
    assert result.exit_code != 0
    assert message in str(result.exception or result.output)
    assert Path("there.vrt").read_text() == "mine"


@pytest.mark.parametrize("profile", [{"nodata": None}, {"dtype": "float32"}])
def test_rasters_that_somebody_rewrote_are_listed_as_missing(run, tmp_path, profile):
    path = min((run.catalog.parent / "results_rasters/run_1").glob("*.tif"))
    with rasterio.open(path) as raster:
        classes, known = raster.read(), raster.profile
    path.unlink()
    with rasterio.open(path, "w", **{**known, "driver": "GTiff", **profile}) as raster:
        raster.write(classes.astype(raster.dtypes[0]))
    done = export_mosaic(run.catalog, tmp_path / "m.vrt")
    assert done.rasters == 2
    assert "is no class raster any more" in done.missing[0]


def test_check_finds_files_that_are_gone_from_beside_a_class_raster(run):
    first = min((run.catalog.parent / "results_rasters/run_1").glob("*.tif"))
    first.with_suffix(".qml").unlink()
    result = CliRunner().invoke(cli, ["check", str(run.catalog), "--format", "json"])
    assert result.exit_code == 3
    (found,) = json.loads(result.stdout)
    assert f"{first.stem}.qml beside it is gone" in found["problem"]


def test_a_catalog_of_before_gets_its_mosaic(run, tiles, model_emd):
    with closing(sqlite3.connect(run.catalog)) as database, database:
        database.create_function("ST_IsEmpty", 1, lambda _: 0)
        for table in ("gpkg_metadata_reference", "gpkg_metadata", "class_mosaic_1"):
            for registry in ("gpkg_contents", "gpkg_geometry_columns", "gpkg_extensions"):
                database.execute(f"DELETE FROM {registry} WHERE table_name = ?", (table,))
            database.execute(f"DROP TABLE {table}")
        database.execute("DROP TABLE rtree_class_mosaic_1_geom")
        database.execute("ALTER TABLE runs DROP COLUMN mosaic_of")
        database.execute("DELETE FROM _sqlite_migrations WHERE name = '0009_class_mosaic'")
    Catalog(run.catalog).close()
    classify(tiles, model=model_emd, output=run.catalog)
    np.testing.assert_array_equal(mosaic(run.catalog)[0], together(run.catalog))
