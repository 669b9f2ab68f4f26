"""Rasters beside class rasters, carried along by exports of mosaics."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner

from pixelcat import classify
from pixelcat.catalog.errors import UsageError
from pixelcat.cli import cli
from pixelcat.processors.export_mosaic import export_mosaic, export_stac

Function = Callable[..., Any]
PLACES = {"a": (0, 0), "b": (0, 50), "c": (30, 20)}
"""Row and column of tiles of 30 x 50 pixels."""


@pytest.fixture
def tiles(tmp_path: Path, write_raster: Function) -> Path:
    folder = tmp_path / "tiles"
    folder.mkdir()
    for seed, (name, (row, column)) in enumerate(PLACES.items()):
        pixels = np.random.default_rng(seed).integers(1, 255, (3, 30, 50)).astype(np.uint8)
        pixels[:, :4, :6] = 0
        place = Affine(10, 0, 500_000 + column * 10, 0, -10, 5_000_000 - row * 10)
        write_raster(folder / f"{name}.tif", pixels, nodata=0, crs="EPSG:32631", transform=place)
    return folder


def written(rasters: Path, name: str, kind: str) -> np.ndarray:
    (path,) = rasters.glob(f"*_{name}_{kind}.tif")
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read())


@pytest.mark.parametrize("kind", ["confidence", "probabilities", "entropy"])
@pytest.mark.parametrize("also_type", ["uint8", "float32"])
def test_a_mosaic_of_rasters_beside_class_rasters(
    tiles: Path, model_emd: Path, tmp_path: Path, kind: str, also_type: str
) -> None:
    run = classify(
        tiles, model=model_emd, output=tmp_path / "r.gpkg", also=kind, also_type=also_type
    )
    command = ["export", str(run.catalog), "--mosaic", str(tmp_path / "m.vrt"), "--raster", kind]
    answer = CliRunner().invoke(cli, command)
    assert answer.exit_code == 0, answer.output
    assert f"with 3 rasters of {kind}" in answer.output
    with rasterio.open(tmp_path / "m.vrt") as mosaic:
        shown = mosaic.read()
        assert mosaic.shape == (60, 100)
        assert mosaic.dtypes[0] == also_type
        scale = 1 / 254 if also_type == "uint8" else 1
        assert mosaic.scales == pytest.approx([scale] * mosaic.count)
        (first,) = run.rasters.glob(f"*_a_{kind}.tif")
        with rasterio.open(first) as single:
            assert mosaic.descriptions == single.descriptions
            assert str(mosaic.nodata) == str(single.nodata)
    expected = np.full_like(shown, np.nan if also_type == "float32" else 255)
    for name, (row, column) in PLACES.items():
        expected[:, row : row + 30, column : column + 50] = written(run.rasters, name, kind)
    np.testing.assert_array_equal(shown, expected)


def test_items_of_stac_have_them_as_assets(tiles: Path, model_emd: Path, tmp_path: Path) -> None:
    run = classify(
        tiles, model=model_emd, output=tmp_path / "r.gpkg", also=("confidence", "probabilities")
    )
    (run.rasters / "000001_a_confidence.tif").unlink()
    done = export_stac(run.catalog, tmp_path / "m.json")
    assert len(done.missing) == 1
    assert "a.tif: its raster of confidence" in done.missing[0]
    first, second, _ = json.loads((tmp_path / "m.json").read_text())["features"]
    assert list(first["assets"]) == ["classes", "probabilities"]
    assert list(second["assets"]) == ["classes", "confidence", "probabilities"]
    asset = second["assets"]["probabilities"]
    assert (tmp_path / asset["href"]).is_file()
    assert asset["raster:bands"] == 3 * [
        {"data_type": "uint8", "nodata": 255, "scale": 1 / 254, "offset": 0}
    ]
    assert any("raster/v1" in each for each in second["stac_extensions"])


@pytest.mark.parametrize(
    ("raster", "message"),
    [("entropy", "no raster of entropy with a place"), ("classs", "there is no such raster")],
)
def test_rasters_that_there_are_not(
    tiles: Path, model_emd: Path, tmp_path: Path, raster: str, message: str
) -> None:
    run = classify(tiles, model=model_emd, output=tmp_path / "r.gpkg")
    with pytest.raises(UsageError, match=message):
        export_mosaic(run.catalog, tmp_path / "m.vrt", raster=raster)
    answer = CliRunner().invoke(
        cli, ["export", str(run.catalog), "--stac", "m.json", "--raster", "entropy"]
    )
    assert "--raster goes with --mosaic" in str(answer.exception)


def test_tiles_on_both_sides_of_the_meridian_lie_side_by_side(
    tmp_path: Path, model_emd: Path, write_raster: Function
) -> None:
    folder = tmp_path / "tiles"
    folder.mkdir()
    for name, west in (("east", 178.0), ("west", -180.0)):
        pixels = np.random.default_rng(int(west) % 7).integers(0, 256, (3, 30, 40), np.uint8)
        place = Affine(0.05, 0, west, 0, -0.05, -15)
        write_raster(folder / f"{name}.tif", pixels, crs="EPSG:4326", transform=place)
    run = classify(folder, model=model_emd, output=tmp_path / "r.gpkg")
    export_mosaic(run.catalog, tmp_path / "m.vrt")
    with rasterio.open(tmp_path / "m.vrt") as mosaic:
        assert mosaic.bounds == pytest.approx((178, -16.5, 182, -15))
        shown = mosaic.read(1)
    halves = []
    for name in ("east", "west"):
        with rasterio.open(next(run.rasters.glob(f"*_{name}.tif"))) as single:
            halves.append(single.read(1))
    np.testing.assert_array_equal(shown, np.hstack(halves))
