"""Class rasters in another reference system, against whole arrays brought there by rasterio."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from PIL import Image
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from pixelcat import classify
from pixelcat.catalog.errors import UsageError
from pixelcat.cli import cli
from pixelcat.io.srs import pixel_area

Function = Callable[..., Any]
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
SIZE = (700, 640)
CLASSES = "000001_scene.tif"


@pytest.fixture(scope="module")
def model(exact_net: Function, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that looks some pixels far."""
    path = tmp_path_factory.mktemp("net") / "net.keras"
    exact_net(poolings=1).save(path)
    return path


@pytest.fixture
def scene(tmp_path: Path, write_raster: Function) -> Function:
    """Return a function that writes a map of patches with NoData in it."""

    def write(place: Affine = UTM, crs: str = "EPSG:32631", size: tuple[int, int] = SIZE) -> Path:
        rng = np.random.default_rng(4)
        patches = rng.integers(1, 256, (3, size[0] // 7 + 1, size[1] // 7 + 1), np.uint8)
        pixels = patches.repeat(7, axis=1).repeat(7, axis=2)[:, : size[0], : size[1]]
        pixels[:, 30:90, 40:130] = 0
        return Path(
            write_raster(tmp_path / "scene.tif", pixels, nodata=0, transform=place, crs=crs)
        )

    return write


def read(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.profile


def moved(path: Path, like: dict[str, Any], method: str) -> np.ndarray:
    """Return a raster on the grid of another one, all at once.

    By GDAL at exact positions: ``rasterio.warp.reproject`` cannot be told not to approximate.
    """
    grid = {name: like[name] for name in ("crs", "transform", "width", "height")}
    exact = {"tolerance": 1e-9, "XSCALE": 1, "YSCALE": 1}
    with (
        rasterio.open(path) as dataset,
        WarpedVRT(dataset, resampling=Resampling[method], **grid, **exact) as warped,
    ):
        found: np.ndarray = warped.read()
        return found


def nearest(path: Path, like: dict[str, Any]) -> np.ndarray:
    """Return the pixels of a raster below the centres of those of another one, by PROJ alone."""
    classes, own = read(path)
    columns, rows = np.meshgrid(np.arange(like["width"]) + 0.5, np.arange(like["height"]) + 0.5)
    grid, back = like["transform"], ~own["transform"]
    system = Transformer.from_crs(like["crs"], own["crs"], always_xy=True)
    x, y = system.transform(grid.a * columns + grid.c, grid.e * rows + grid.f)
    columns = np.floor(back.a * x + back.b * y + back.c).astype(int)
    rows = np.floor(back.d * x + back.e * y + back.f).astype(int)
    inside = (columns >= 0) & (columns < own["width"]) & (rows >= 0) & (rows < own["height"])
    return np.where(
        inside, classes[0, np.where(inside, rows, 0), np.where(inside, columns, 0)], 255
    )


TURNED = Affine.translation(500_000, 5_000_000) @ Affine.rotation(33) @ Affine.scale(10, -10)


@pytest.mark.parametrize(
    ("place", "crs", "target"),
    [
        (UTM, "EPSG:32631", "EPSG:4326"),
        (TURNED, "EPSG:32631", "EPSG:3035"),
        (Affine(0.01, 0, 11, 0, -0.01, 82), "EPSG:4326", "EPSG:3995"),
    ],
)
def test_classes_are_those_of_the_whole_raster_brought_there_at_once(
    scene: Function, model: Path, tmp_path: Path, place: Affine, crs: str, target: str
) -> None:
    path = scene(place, crs)
    asked = {"model": model, "also": "confidence,probabilities", "arguments": {"tile_size": 128}}
    plain = classify(path, output=tmp_path / "plain.gpkg", **asked)
    for method, of_fractions in (("nearest", "nearest"), ("mode", "average")):
        run = classify(
            path, output=tmp_path / "moved.gpkg", **asked,
            environment={"map_crs": target, "map_resampling": method},
        )  # fmt: skip
        assert run.done == 1, run.failures
        assert not list(run.rasters.glob(".tmp*"))
        for name in (CLASSES, "000001_scene_confidence.tif", "000001_scene_probabilities.tif"):
            how = method if name == CLASSES else of_fractions
            check_raster(run.rasters / name, plain.rasters / name, target, how)
        check_numbers(run, plain)


def check_raster(path: Path, plain: Path, target: str, method: str) -> None:
    """Compare a raster with the same on the grid on which it was classified."""
    found, profile = read(path)
    assert profile["crs"] == rasterio.crs.CRS.from_string(target)
    assert (found == moved(plain, profile, method)).all()
    if method == "nearest":  # GDAL and we round centres on an edge of a pixel differently
        assert (found[0] != nearest(plain, profile)).mean() < 1e-4
    with rasterio.open(path) as dataset, rasterio.open(plain) as before:
        assert dataset.tags()["PIXELCAT_IMAGE"] == "scene.tif"
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1)
        assert (dataset.scales, dataset.colorinterp) == (before.scales, before.colorinterp)


def check_numbers(run: Any, plain: Any) -> None:
    """Count the pixels of a class raster."""
    found, profile = read(run.rasters / CLASSES)
    (row,) = run.sql(f"select * from outputs where run_id = {run.id}")
    assert (row["height"], row["width"]) == found.shape[1:]
    assert row["valid_pixels"] == (found != 255).sum()
    area = pixel_area(profile["transform"], profile["crs"].to_wkt())
    areas = np.array([area(each) for each in range(found.shape[1])])
    before = plain.sql("select mean_confidence from class_stats order by value")
    stats = run.sql(f"select s.* from class_stats s where output_id = {row['id']} order by s.value")
    assert sum(stat["pixels"] > 1000 for stat in stats) > 1
    for stat, one in zip(stats, before, strict=True):
        chosen = found[0] == stat["value"]
        assert stat["pixels"] == chosen.sum()
        assert stat["fraction"] == pytest.approx(chosen.sum() / row["valid_pixels"])
        assert stat["area_m2"] == pytest.approx((chosen.sum(axis=1) * areas).sum())
        sure = one["mean_confidence"] if chosen.any() else None
        assert stat["mean_confidence"] == (None if sure is None else pytest.approx(sure))


def test_pixels_are_about_as_large_as_before(scene: Function, model: Path, tmp_path: Path) -> None:
    """Of a turned raster too, whose bounds hold more than it has."""
    path = scene(TURNED)
    run = classify(
        path, model=model, output=tmp_path / "r.gpkg", environment={"map_crs": "EPSG:3035"}
    )
    _, profile = read(run.rasters / CLASSES)
    assert profile["transform"].a == pytest.approx(10, rel=0.02)


def test_an_extent_and_a_mask_are_those_of_the_grid_of_the_raster(
    scene: Function, model: Path, tmp_path: Path
) -> None:
    path = scene()
    part = {"extent": (500_905, 4_995_000, 503_505, 4_999_305)}
    plain = classify(path, model=model, output=tmp_path / "plain.gpkg", environment=part)
    run = classify(
        path, model=model, output=tmp_path / "r.gpkg", environment={**part, "mapCRS": 4326}
    )
    found, profile = read(run.rasters / CLASSES)
    assert (found == moved(plain.rasters / CLASSES, profile, "nearest")).all()


def test_a_raster_that_is_there_already_is_left_alone(
    scene: Function, model: Path, tmp_path: Path
) -> None:
    path = scene()
    plain = classify(path, model=model, output=tmp_path / "plain.gpkg")
    run = classify(path, model=model, output=tmp_path / "r.gpkg", environment={"map_crs": 32631})
    for found, wanted in zip(
        read(run.rasters / CLASSES),
        read(plain.rasters / CLASSES),
        strict=True,
    ):
        assert np.array_equal(found, wanted) if isinstance(found, np.ndarray) else found == wanted


def test_what_cannot_be_brought_there_says_why(
    model: Path, tmp_path: Path, write_raster: Function
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (9, 9)).save(folder / "photo.png")
    write_raster(folder / "nowhere.tif", np.ones((3, 20, 30), np.uint8), transform=UTM)
    run = classify(folder, model=model, output=tmp_path / "r.gpkg", environment={"map_crs": 3857})
    assert (run.done, run.failed, run.skipped) == (0, 1, 1)
    assert run.failures[0].reason == "has no reference system; --map-crs cannot apply"
    assert "1 skipped: has no place on the ground; --map-crs cannot apply" in run.notes
    assert not list(run.rasters.glob("*.tif"))


@pytest.mark.parametrize(
    ("environment", "verify", "message"),
    [
        ({"map_resampling": "mode"}, 0, "give both"),
        ({"map_crs": 3857, "map_resampling": "cubic"}, 0, "expected nearest or mode"),
        ({"map_crs": "Atlantis"}, 0, "--map-crs Atlantis is no reference system"),
        ({"map_crs": 3857}, 2, "verify a run without it"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    scene: Function,
    model: Path,
    tmp_path: Path,
    environment: dict[str, Any],
    verify: int,
    message: str,
) -> None:
    output = tmp_path / "r.gpkg"
    with pytest.raises(UsageError, match=message):
        classify(scene(), model=model, output=output, environment=environment, verify=verify)
    assert not output.exists()


def test_it_is_part_of_what_a_run_is(scene: Function, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.gpkg"
    path = scene(size=(60, 50))

    def ask(*options: str) -> int:
        done = CliRunner().invoke(
            cli, ["classify", str(path), "-m", str(model), "-o", str(output), *options]
        )
        assert done.exit_code == 0, done.output
        with sqlite3.connect(output) as catalog:
            (count,) = catalog.execute("select count(*) from runs").fetchone()
        return int(count)

    assert ask("--cell-size", "20") == 1
    assert ask("--map-crs", "EPSG:3857") == 2
    assert ask("--map-crs", "3857", "--map-resampling", "nearest") == 2
    assert ask("--map-crs", "3857", "--map-resampling", "mode") == 3
    with sqlite3.connect(output) as catalog:
        rows = catalog.execute("select options from runs order by id").fetchall()
    first, second, _ = (json.loads(text)["environment"] for (text,) in rows)
    assert "map_system" not in first  # as in catalogs from before there was one
    assert second["map_system"] == {"crs": "EPSG:3857", "resampling": "nearest"}
