"""Finished class rasters compared with windows that are classified anew."""

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from pixelcat import classify, open_catalog
from pixelcat.catalog.errors import OutputError, UsageError
from pixelcat.cli import cli
from pixelcat.processors.windows import Tiling, wider

Function = Callable[..., Any]

GROUND = {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "crs": "EPSG:32631"}
SIZE = (301, 263)


def noise(size: tuple[int, int], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (3, *size), np.uint8)


@pytest.fixture(scope="module")
def unet(keras_net: Function) -> Any:
    return keras_net(poolings=2, seed=3)


@pytest.fixture(scope="module")
def net(unet: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "net.keras"
    unet.save(path)
    return path


@pytest.fixture
def scene(tmp_path: Path, write_raster: Function) -> Path:
    """A map with NoData in it."""
    image = noise(SIZE)
    image[:, 100:180, 30:90] = 0
    return write_raster(tmp_path / "scene.tif", image, nodata=0, **GROUND)


def change(path: Path, row: int, column: int) -> int:
    """Give a pixel of a class raster another class; returns what it had."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            pixels, profile = dataset.read(), dataset.profile
        had = int(pixels[0, row, column])
        pixels[0, row, column] = (had + 1) % 3
        with rasterio.open(path, "w", **{**profile, "driver": "GTiff"}) as dataset:
            dataset.write(pixels)
    return had


def test_with_the_measured_halo_nothing_differs(tmp_path: Path, net: Path, scene: Path) -> None:
    asked = {"model": net, "output": tmp_path / "r.gpkg", "arguments": {"tile_size": 64}}
    run = classify(scene, verify=1000, **asked)
    found = run.verification
    assert (found.differ, found.close, found.item_id) == (0, 0, None)
    assert found.pixels == SIZE[0] * SIZE[1]
    assert found.windows > 4
    assert run.exit_code == 0
    (row,) = run.sql("select * from verifications")
    assert {**asdict(found), "run_id": run.id}.items() <= row.items()
    line = f"verified {found.windows} windows, {found.pixels} pixels, 0 differ"
    assert line in run.notes
    later = classify(scene, verify=2, **asked)
    assert (later.id, later.classified_now) == (run.id, 0)
    assert later.verification.windows == 2
    assert later.verification == classify(scene, verify=2, **asked).verification
    assert classify(scene, **asked).verification is None
    (title, rows) = open_catalog(tmp_path / "r.gpkg").details()[-1]
    assert (title, len(rows)) == ("Verifications", 3)


def test_with_too_small_a_halo_pixels_differ_and_the_first_is_named(
    tmp_path: Path, net: Path, unet: Any, scene: Path, whole_image: Function, read_raster: Function
) -> None:
    run = classify(
        scene, model=net, output=tmp_path / "r.gpkg", verify=1000,
        arguments={"tile_size": 64, "padding": 0},
    )  # fmt: skip
    (raster,) = run.rasters.glob("*.tif")
    classes = read_raster(raster)
    with rasterio.open(scene) as dataset:
        scores = whole_image(unet, dataset.read(), stride=4)
    wrong = (classes != scores.argmax(-1)) & (classes != 255)
    found = run.verification
    assert found.differ > 100
    assert abs(found.differ + found.close - wrong.sum()) < 5  # scores that are almost the same
    assert wrong[found.pixel_row, found.pixel_column]
    assert run.exit_code == 0
    place = f"the first in scene.tif at row {found.pixel_row}, column {found.pixel_column}"
    assert any(place in note and "larger --arg padding" in note for note in run.notes)


def test_it_is_the_file_that_is_compared(tmp_path: Path, net: Path, scene: Path) -> None:
    asked = {"model": net, "output": tmp_path / "r.gpkg", "arguments": {"tile_size": 64}}
    run = classify(scene, **asked)
    (raster,) = run.rasters.glob("*.tif")
    change(raster, 250, 13)
    found = classify(scene, verify=1000, **asked).verification
    assert (found.differ, found.pixel_row, found.pixel_column) == (1, 250, 13)
    change(raster, 120, 40)  # NoData
    assert classify(scene, verify=1000, **asked).verification.differ == 2
    raster.write_bytes(raster.read_bytes()[:3000])
    with pytest.raises(OutputError, match="recorded as done"):
        classify(scene, verify=1, **asked)


@pytest.mark.parametrize(
    "arguments",
    [
        {"tile_size": 24, "image_scale": 0.5},
        {"tile_size": 24, "image_scale": 2},
        {"tile_size": 24, "image_size": 40, "class_map": "model"},
        {"tile_size": 24, "test_time_augmentation": True},
        {},
    ],
)
def test_photos(tmp_path: Path, keras_net: Function, arguments: dict[str, Any]) -> None:
    keras_net(poolings=1, seed=3).save(tmp_path / "net.keras")
    (tmp_path / "photos").mkdir()
    for number in range(5):
        different = min(number, 3)
        pixels = np.moveaxis(noise((60 + different, 90), different), 0, -1)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    run = classify(
        tmp_path / "photos", model=tmp_path / "net.keras", output=tmp_path / "r.gpkg",
        arguments=arguments, verify=3,
    )  # fmt: skip
    assert run.done == 5
    assert (run.verification.windows, run.verification.differ) == (3, 0)
    every = classify(
        tmp_path / "photos", model=tmp_path / "net.keras", output=tmp_path / "r.gpkg",
        arguments=arguments, verify=1000,
    ).verification  # fmt: skip
    sizes = every.pixels, every.windows
    rows = run.sql("select distinct raster_path, width * height as pixels from outputs")
    assert len(rows) == 4  # two photos are the same
    assert sizes[0] == sum(row["pixels"] for row in rows)
    assert every.differ == 0


@pytest.mark.parametrize("channels", [1, 4])
def test_classes_that_score_alike_are_too_close_to_tell(
    channels: int, tmp_path: Path, keras_net: Function
) -> None:
    """Written as the other class, they are not called different."""
    keras_net(poolings=0)
    import keras

    inputs = keras.layers.Input((None, None, 3))
    layer = keras.layers.Conv2D(channels, 1, kernel_initializer="zeros")
    keras.Model(inputs, layer(inputs)).save(tmp_path / "net.keras")
    Image.fromarray(np.moveaxis(noise((20, 30)), 0, -1)).save(tmp_path / "a.png")
    asked = {
        "model": tmp_path / "net.keras", "output": tmp_path / "r.gpkg",
        "arguments": {"scores": "logits"},
    }  # fmt: skip
    run = classify(tmp_path / "a.png", **asked)
    (raster,) = run.rasters.glob("*.tif")
    had = change(raster, 4, 5)
    if channels == 1 and had == 1:  # the threshold counts as reached
        return
    found = classify(tmp_path / "a.png", verify=1, **asked).verification
    assert (found.differ, found.close) == (0, 1)


def test_a_raster_function_is_asked_about_the_same_blocks(tmp_path: Path, scene: Path) -> None:
    source = Path(__file__).with_name("raster_functions") / "Neighbours.py"
    (tmp_path / "Neighbours.py").write_text(source.read_text())
    (tmp_path / "weights.bin").write_bytes(b"no network")
    emd = {
        "Framework": "Templates", "ModelType": "ImageClassification",
        "ModelFile": "weights.bin", "InferenceFunction": "Neighbours.py",
        "ImageHeight": 32, "ImageWidth": 40,
    }  # fmt: skip
    (tmp_path / "land.emd").write_text(json.dumps(emd))
    run = classify(
        scene, model=tmp_path / "land.emd", output=tmp_path / "r.gpkg", model_code="run", verify=4
    )
    assert run.done == 1, run.failures
    assert run.verification.windows >= 1
    assert run.verification.differ == 0


def test_averaged_windows_and_nonsense_are_refused(tmp_path: Path, net: Path, scene: Path) -> None:
    asked = {"model": net, "output": tmp_path / "r.gpkg"}
    with pytest.raises(UsageError, match="blend=hann"):
        classify(scene, verify=1, arguments={"blend": "hann"}, **asked)
    with pytest.raises(UsageError, match="0 or more"):
        classify(scene, verify=-1, **asked)
    assert not (tmp_path / "r.gpkg").exists()


def test_an_image_that_cannot_be_read_any_more_is_named(
    tmp_path: Path, net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut off while the run goes on, between being classified and being compared."""
    from pixelcat.processors import driver

    (tmp_path / "photos").mkdir()
    for name in "ab":
        pixels = np.moveaxis(noise((40, 50), ord(name)), 0, -1)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.jpg")
    to_verify = driver.to_verify

    def cut(*args: Any, **options: Any) -> Any:
        photo = tmp_path / "photos" / "a.jpg"
        photo.write_bytes(photo.read_bytes()[:900])
        return to_verify(*args, **options)

    monkeypatch.setattr(driver, "to_verify", cut)
    run = classify(tmp_path / "photos", model=net, output=tmp_path / "r.gpkg", verify=9)
    assert (run.verification.windows, run.verification.differ) == (1, 0)
    (note,) = [note for note in run.notes if "not verified" in note]
    assert "a.jpg" in note
    assert "cut off" in note


def test_the_command_says_it_in_a_line(tmp_path: Path, net: Path, scene: Path) -> None:
    done = CliRunner().invoke(
        cli,
        ["classify", str(scene), "-m", str(net), "-o", str(tmp_path / "r.gpkg"), "--verify", "2"],
    )
    assert done.exit_code == 0, done.output
    assert "note: verified 1 windows, 79163 pixels, 0 differ" in done.stderr


@pytest.mark.parametrize(
    ("tiling", "height", "padding"),
    [
        (Tiling(height=1064, width=1064, padding=20, stride=4), 1064, 40),
        (Tiling(height=64, width=64, padding=12, stride=4), 128, 32),
        (Tiling(height=512, width=512, padding=0, stride=8), 512, 32),
        (Tiling(height=256, width=256, padding=64, stride=32, fixed=True), 256, 96),
        (Tiling(height=64, width=64, padding=0, stride=32, fixed=True), 64, 0),
        (Tiling(height=48, width=48, padding=16, stride=1, anchored=True), 48, 16),
    ],
)
def test_windows_to_compare_with_see_further(tiling: Tiling, height: int, padding: int) -> None:
    other = wider(tiling)
    assert (other.height, other.width, other.padding) == (height, height, padding)
    assert other.stride == tiling.stride


@pytest.mark.parametrize(
    "environment",
    [
        {"extent": (500_105, 4_997_500, 501_500, 4_999_305)},
        {"cell_size": 17, "snap": "grid.tif"},
        {"extent": (500_105, 4_998_500, 501_500, 4_999_305), "cell_size": 25},
        {"mask": "mask.tif"},
    ],
)
def test_what_was_asked_of_the_ground_is_compared_and_no_more(
    environment: dict[str, Any], tmp_path: Path, net: Path, scene: Path, write_raster: Function
) -> None:
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[:, 5:30, 10:] = 1
    place = {"transform": Affine(60, 0, 500_000, 0, -60, 5_000_000), "crs": GROUND["crs"]}
    write_raster(tmp_path / "mask.tif", mask, nodata=0, **place)
    grid = {"transform": Affine(17, 0, 500_003, 0, -17, 5_000_001), "crs": GROUND["crs"]}
    write_raster(tmp_path / "grid.tif", mask, **grid)
    asked = {
        name: tmp_path / value if isinstance(value, str) else value
        for name, value in environment.items()
    }
    run = classify(
        scene, model=net, output=tmp_path / "r.gpkg", verify=1000, environment=asked,
        arguments={"tile_size": 64},
    )  # fmt: skip
    assert run.done == 1, run.failures
    (output,) = run.sql("select width * height as pixels, valid_pixels from outputs")
    assert run.verification.pixels == output["pixels"]
    assert run.verification.differ == 0
    assert output["valid_pixels"] > 1000
