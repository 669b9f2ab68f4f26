"""Rasters that control points or RPCs alone place on the ground: classified as stored."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.rpc import RPC

from pixelcat import classify

Function = Callable[..., Any]
SIZE = (70, 90)
POINTS = [
    GroundControlPoint(row, column, 8 + column / 900, 47 - row / 700)
    for row in (0, 70)
    for column in (0, 90)
]
COEFFICIENTS = RPC(
    height_off=100, height_scale=500, lat_off=47, lat_scale=0.05, long_off=8, long_scale=0.05,
    line_off=35, line_scale=35, samp_off=45, samp_scale=45,
    line_num_coeff=[0.0, 0.0, -1.0, *[0.0] * 17], line_den_coeff=[1.0, *[0.0] * 19],
    samp_num_coeff=[0.0, 1.0, *[0.0] * 18], samp_den_coeff=[1.0, *[0.0] * 19],
)  # fmt: skip
NAMES = {"points": "ground control points", "rpc": "RPCs"}
COMMANDS = {"points": "gdalwarp", "rpc": "gdalwarp -rpc"}


@pytest.fixture(scope="module")
def net(exact_net: Function) -> Any:
    return exact_net(poolings=1)


@pytest.fixture(scope="module")
def model(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "net.keras"
    net.save(path)
    return path


@pytest.fixture(params=["points", "rpc"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def raster(kind: str, tmp_path: Path, write_raster: Function) -> Path:
    pixels = np.random.default_rng(5).integers(0, 256, (3, *SIZE), np.uint8)
    control = (
        {"gcps": POINTS, "crs": CRS.from_epsg(4326)} if kind == "points" else {"rpcs": COEFFICIENTS}
    )
    return Path(write_raster(tmp_path / "a.tif", pixels, **control))


def test_it_is_classified_as_stored_and_the_class_map_keeps_its_control(
    raster: Path, kind: str, net: Any, model: Path, tmp_path: Path, whole_image: Function
) -> None:
    run = classify(raster, model=model, output=tmp_path / "r.gpkg", also="confidence")
    assert run.done == 1, run.failures
    (note,) = [note for note in run.notes if "no transform" in note]
    assert note.startswith(f"1 with {NAMES[kind]} and no transform: classified as stored")
    assert note.endswith(f"and {COMMANDS[kind]} brings them there")
    with rasterio.open(raster) as dataset:
        scores = whole_image(net, dataset.read(), stride=2)
        points, crs = dataset.gcps
        rpcs = dataset.rpcs
    for name in ("000001_a.tif", "000001_a_confidence.tif"):
        with rasterio.open(run.rasters / name) as dataset:
            assert dataset.transform.is_identity
            assert dataset.rpcs == rpcs
            assert dataset.gcps[1] == crs
            assert [each.asdict() for each in dataset.gcps[0]] == [each.asdict() for each in points]
    with rasterio.open(run.rasters / "000001_a.tif") as dataset:
        assert (dataset.read(1) == scores.argmax(-1)).all()
    assert run.sql("select transform from items") == [{"transform": None}]
    (area,) = run.sql("select max(area_m2) as area from class_stats")
    assert area["area"] is None


@pytest.mark.parametrize(("class_map", "is_kept"), [("photo", True), ("model", False)])
def test_a_class_map_of_another_size_has_none(
    raster: Path, model: Path, tmp_path: Path, class_map: str, is_kept: bool
) -> None:
    run = classify(
        raster, model=model, output=tmp_path / "r.gpkg",
        arguments={"image_scale": 0.5, "class_map": class_map},
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(run.rasters / "000001_a.tif")
    with dataset:
        assert dataset.shape == (SIZE if is_kept else (35, 45))
        assert bool(dataset.gcps[0] or dataset.rpcs) == is_kept


@pytest.mark.parametrize(
    "environment",
    [{"extent": (0, 0, 9, 9)}, {"cell_size": 2}, {"crs": 4326}, {"map_crs": 4326}],
)
def test_what_needs_a_place_says_what_to_do(
    raster: Path, kind: str, model: Path, tmp_path: Path, environment: dict[str, Any]
) -> None:
    run = classify(raster, model=model, output=tmp_path / "r.gpkg", environment=environment)
    (name,) = environment
    assert run.skipped == 1
    (note,) = run.notes
    assert note == (
        f"1 skipped: has {NAMES[kind]} and no transform: bring it to the ground first"
        f" ({COMMANDS[kind]}); --{name.replace('_', '-')} cannot apply"
    )
