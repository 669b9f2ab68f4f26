"""Fewer bits than float32, and batches that memory has no room for."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from pixelcat import classify
from pixelcat.catalog.errors import ItemError, UsageError
from pixelcat.processors import device
from pixelcat.processors.tensorflow_setup import tensorflow

Function = Callable[..., Any]
TOO_MANY = 1 << 44
"""Numbers that no machine has room for."""


@pytest.fixture(scope="module")
def unet(exact_net: Function) -> Any:
    return exact_net()


@pytest.fixture
def batch(unet: Any, as_batch: Function) -> Any:
    shape = (4, 32, 32, unet.input_shape[-1])
    return as_batch(np.random.default_rng(3).integers(0, 256, shape, np.uint8))


def make_greedy(classifier: Any, most: int) -> None:
    """Let the network need all memory there is for more than ``most`` windows."""
    tf = tensorflow()
    network = classifier._networks[0]

    def call(pixels: Any) -> Any:
        more = TOO_MANY if pixels.shape[0] > most else 1
        room = tf.cast(tf.reduce_sum(pixels) * 0, tf.int64) + more  # known only when it runs
        return network.call(pixels) + tf.cast(tf.reduce_max(tf.range(room)), tf.float32) * 0

    greedy = replace(network, call=call)
    classifier._networks = (greedy, greedy)


def test_a_batch_that_memory_has_no_room_for_is_halved(
    unet: Any, batch: Any, prepared: Function
) -> None:
    expected = prepared(unet, tile_size=32, batch_size=4).classifier.classify(batch)
    classifier = prepared(unet, tile_size=32, batch_size=4).classifier
    assert classifier.remarks() == ()
    make_greedy(classifier, most=1)
    answer = classifier.classify(batch)
    assert (answer.classes == expected.classes).all()
    assert np.allclose(answer.confidence, expected.confidence, atol=1e-6)
    assert classifier.remarks() == (
        "memory was short: the model was asked about 1 windows at a time",
    )


def test_a_single_window_that_is_too_large_fails_its_image(
    unet: Any, batch: Any, prepared: Function
) -> None:
    classifier = prepared(unet, tile_size=32, batch_size=4).classifier
    make_greedy(classifier, most=0)
    with pytest.raises(ItemError, match="OOM"):
        classifier.classify(batch)


@pytest.fixture
def scene(tmp_path: Path, unet: Any) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (unet.input_shape[-1], 90, 70), np.uint8)
    path = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "width": 70, "height": 90, "count": len(pixels)}
    place = {"crs": "EPSG:32633", "transform": Affine(1, 0, 5e5, 0, -1, 5e6)}
    with rasterio.open(path, "w", dtype="uint8", **profile, **place) as file:
        file.write(pixels)
    return path


@pytest.mark.parametrize("blend", ["crop", "hann"])
def test_bfloat16_is_a_choice_that_says_what_it_changes(
    tmp_path: Path, unet: Any, scene: Path, blend: str
) -> None:
    unet.save(tmp_path / "net.keras")
    maps = {}
    for precision in ("float32", "bfloat16"):
        output = tmp_path / f"{precision}.gpkg"
        arguments = {"precision": precision, "tile_size": 48, "padding": 16, "blend": blend}
        run = classify(scene, model=tmp_path / "net.keras", output=output, arguments=arguments)
        with rasterio.open(next(run.rasters.glob("*.tif"))) as file:
            maps[precision] = file.read(1)
        notes = [note for note in run.notes if "float" in note]
        assert len(notes) == (precision == "bfloat16")
    different = np.mean(maps["float32"] != maps["bfloat16"])
    assert different < 0.1
    said = "it was float32" in notes[0]  # a machine without bfloat16
    assert said == (different == 0)
    assert said or "sampled pixels another class" in notes[0]


# devices


@pytest.mark.parametrize("name", ["tpu", "cpu:0", "gpu:", "gpu:x", ""])
def test_a_device_that_is_none_is_a_usage_error(tmp_path: Path, scene: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--device"):
        classify(scene, model="none.keras", output=tmp_path / "r.gpkg", device=name)


def test_a_gpu_that_is_not_there_is_a_usage_error(tmp_path: Path, unet: Any, scene: Path) -> None:
    if tensorflow().config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    unet.save(tmp_path / "net.keras")
    with pytest.raises(UsageError, match="finds no such GPU"):
        classify(scene, model=tmp_path / "net.keras", output=tmp_path / "r.gpkg", device="gpu:3")
    assert not (tmp_path / "r.gpkg").exists()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(device, "_CGROUPS", tmp_path)
    assert device._quota() == expected
    assert 1 <= device.processors() <= (os.cpu_count() or 1)
