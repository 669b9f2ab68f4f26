"""A limit of memory counts rows, the rasters beside class rasters, and verifying."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from pixelcat import classify
from pixelcat.catalog.errors import UsageError
from pixelcat.processors.arguments import parse_arguments
from pixelcat.processors.definition import ModelDefinition
from pixelcat.processors.options import resolve
from pixelcat.processors.prepare import prepare
from pixelcat.processors.row_memory import check_fits, reserve_for, row_bytes
from pixelcat.processors.work import Work
from pixelcat.processors.workers.here import Here

Function = Callable[..., Any]
MB = 1 << 20


@pytest.fixture(scope="module")
def model(exact_net: Function, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "net.keras"
    exact_net(poolings=1).save(path)
    return path


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raster of 70,000 x 120 pixels: a row of windows holds as many pixels as 8 windows."""
    path = tmp_path_factory.mktemp("wide") / "wide.tif"
    pixels = np.random.default_rng(2).integers(0, 256, (3, 120, 500), np.uint8)
    profile = {"width": 70_000, "height": 120, "count": 3, "dtype": "uint8", "tiled": True}
    place = {"crs": "EPSG:32633", "transform": Affine(1, 0, 4e5, 0, -1, 5e6)}
    with rasterio.open(path, "w", driver="GTiff", compress="deflate", **profile, **place) as file:
        file.write(np.tile(pixels, (1, 1, 140)))
    return path


def held(model: Path, path: Path, folder: Path) -> int:
    """Return how many MiB the process holds with the model."""
    with pytest.raises(UsageError, match="holds") as caught:
        classify(path, model=model, output=folder / "none.gpkg", max_memory="1M")
    return int(re.search(r"holds (\d+)M", str(caught.value))[1])  # type: ignore[index]


def test_a_limit_that_rows_cannot_keep_is_refused_before_work_begins(
    tmp_path: Path, model: Path, wide: Path
) -> None:
    limit = held(model, wide, tmp_path) + 70
    told: list[object] = []
    with pytest.raises(UsageError, match="cannot be kept: a window of") as caught:
        classify(
            wide, model=model, output=tmp_path / "r.gpkg", also="probabilities",
            also_type="float32", max_memory=f"{limit}M", progress=told.append,
        )  # fmt: skip
    assert "the rows of wide.tif (70000 pixels wide)" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert told == []
    enough = int(re.search(r"give (\d+)M or more", str(caught.value))[1])  # type: ignore[index]
    assert limit < enough < limit + 800


@pytest.mark.parametrize(
    ("blend", "also", "also_type", "bytes_"),
    [
        ("crop", (), "uint8", 2),
        ("hann", (), "uint8", 2 + 4 * (3 * 4 + 5)),
        ("crop", ("confidence", "probabilities", "entropy"), "uint8", 2 + 3 * 5),
        ("crop", ("probabilities",), "float32", 2 + 3 * 3 * 4),
    ],
)
def test_what_a_row_takes(
    model: Path, blend: str, also: tuple[str, ...], also_type: str, bytes_: int
) -> None:
    definition = ModelDefinition.load(model)
    options = resolve(definition, parse_arguments({"blend": blend}))
    ready = prepare(definition, replace(options, also=also, also_type=also_type))
    assert row_bytes(ready.classifier, 1000) == bytes_ * 1000


def test_rows_and_verifying_leave_less_for_windows(prepared: Function, exact_net: Function) -> None:
    """Nothing is taken from windows where all of it fits; else what is left holds both."""
    ready = prepared(exact_net(poolings=1))
    window, network = ready.classifier.tiling, ready.network
    batch = ready.classifier.batch_of(window.height, window.width)
    per_pixel = network.bytes_per_pixel / 0.6
    one = int(batch * window.height * window.width * per_pixel)
    narrow = Work(image="a", width=100, height=5000, is_verified=False)
    assert reserve_for(ready, narrow, one + MB) == 0
    broad = Work(image="a", width=1_000_000, height=5000, is_verified=False)
    reserve = reserve_for(ready, broad, one)
    side = ((one - reserve) / per_pixel) ** 0.5
    assert side * side * per_pixel + side * 2 * 1_000_000 == pytest.approx(one, rel=0.01)


def test_windows_for_verifying_have_to_fit(prepared: Function, exact_net: Function) -> None:
    ready = prepared(exact_net(poolings=1), tile_size=64)
    free = int(100 * 100 * ready.network.bytes_per_pixel)
    plain = Work(image="a", width=100, height=5000, is_verified=False)
    check_fits(ready, plain, free, 900 * MB)
    with pytest.raises(UsageError, match="a window of 128 x 128 pixels"):
        check_fits(ready, replace(plain, is_verified=True), free, 900 * MB)


def test_the_answer_is_the_same_where_rows_take_most_of_the_limit(
    tmp_path: Path, model: Path, wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    original = Here._fitted

    def noted(self: Here, model: Any) -> Any:
        ready = original(self, model)
        seen.append(ready.classifier.tiling.height)
        return ready

    monkeypatch.setattr(Here, "_fitted", noted)
    maps = []
    for name, limit in (("short", f"{held(model, wide, tmp_path) + 450}M"), ("free", None)):
        run = classify(
            wide, model=model, output=tmp_path / f"{name}.gpkg", max_memory=limit, verify=2,
            also="probabilities",
        )  # fmt: skip
        assert run.verification is not None
        assert run.verification.differ == 0
        with rasterio.open(next(run.rasters.glob("*wide.tif"))) as file:
            maps.append(file.read(1))
    assert (maps[0] == maps[1]).all()
    assert min(seen) < seen[-1]
