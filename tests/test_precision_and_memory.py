"""Fewer bits than float32, and batches that memory has no room for."""

import os
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
from pixelcat.catalog.errors import ItemError, UsageError
from pixelcat.processors import device
from pixelcat.processors.numbers import parse_bytes
from pixelcat.processors.options import RunOptions
from pixelcat.processors.receptive_field import measure
from pixelcat.processors.tensorflow_setup import tensorflow
from pixelcat.processors.tile import tiling_for

Function = Callable[..., Any]
TOO_MANY = 1 << 44
"""Numbers that no machine has room for."""


@pytest.fixture(scope="module")
def unet(exact_net: Function) -> Any:
    return exact_net()


@pytest.fixture
def batch_of(unet: Any, as_batch: Function) -> Function:
    """Return a function that makes a batch; TensorFlow waits 10 s each time that it has no room."""

    def make(count: int) -> Any:
        shape = (count, 32, 32, unet.input_shape[-1])
        return as_batch(np.random.default_rng(3).integers(0, 256, shape, np.uint8))

    return make


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
    unet: Any, batch_of: Function, prepared: Function
) -> None:
    batch = batch_of(2)
    expected = prepared(unet, tile_size=32, batch_size=2).classifier.classify(batch)
    classifier = prepared(unet, tile_size=32, batch_size=2).classifier
    assert classifier.remarks() == ()
    make_greedy(classifier, most=1)
    answer = classifier.classify(batch)
    assert (answer.classes == expected.classes).all()
    assert np.allclose(answer.confidence, expected.confidence, atol=1e-6)
    assert classifier.remarks() == (
        "memory was short: the model was asked about 1 windows at a time",
    )


def test_a_single_window_that_is_too_large_fails_its_image(
    unet: Any, batch_of: Function, prepared: Function
) -> None:
    classifier = prepared(unet, tile_size=32, batch_size=1).classifier
    make_greedy(classifier, most=0)
    with pytest.raises(ItemError, match="OOM"):
        classifier.classify(batch_of(1))


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


# a limit on memory


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4G", 4 << 30),
        ("1500M", 1500 << 20),
        ("2.5 GB", 5 << 29),
        ("2048k", 2 << 20),
        ("4194304", 4 << 20),
    ],
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "4T", "lots", "1,5G", "12", "1000k"])
def test_what_is_no_size_is_a_usage_error(tmp_path: Path, scene: Path, text: str) -> None:
    with pytest.raises(UsageError, match="--max-memory"):
        classify(scene, model="none.keras", output=tmp_path / "r.gpkg", max_memory=text)


def test_less_than_the_libraries_take_is_a_usage_error(
    tmp_path: Path, unet: Any, scene: Path
) -> None:
    unet.save(tmp_path / "net.keras")
    with pytest.raises(UsageError, match="before it reads a pixel"):
        classify(scene, model=tmp_path / "net.keras", output=tmp_path / "r.gpkg", max_memory="100M")


def test_a_limit_makes_windows_smaller_and_nothing_else(unet: Any, prepared: Function) -> None:
    free = prepared(unet)
    most = free.classifier.tiling.height**2 // 9
    field = measure(free.network)
    limited, notes = tiling_for(free.network, RunOptions(), field, most)
    assert most / 2 < limited.height * limited.width <= most
    assert limited.stride == free.classifier.tiling.stride
    assert limited.padding == free.classifier.tiling.padding
    assert notes == ()


@pytest.mark.parametrize("padding", [2, 32, 64])
@pytest.mark.parametrize(("bytes_per_pixel", "core"), [(1, 2048), (1e6, 1024)])
def test_a_window_holds_the_halo_that_was_asked_for_and_no_more(
    unet: Any, prepared: Function, padding: int, bytes_per_pixel: float, core: int
) -> None:
    """It is large where the network takes little memory."""
    network = replace(prepared(unet).network, bytes_per_pixel=bytes_per_pixel)
    tiling, _ = tiling_for(network, RunOptions(padding=padding), measure(network))
    assert tiling.padding == padding
    assert tiling.height - 2 * tiling.padding == core
    assert tiling.flexible


def test_a_window_that_was_asked_for_stays_and_says_that_it_is_large(
    unet: Any, prepared: Function
) -> None:
    network = prepared(unet).network
    asked = RunOptions(tile_size=(512, 512))
    tiling, notes = tiling_for(network, asked, measure(network), 256 * 256)
    assert (tiling.height, tiling.width) == (512, 512)
    assert "more memory than was allowed" in notes[0]


def test_the_class_map_is_the_same_with_little_memory(
    tmp_path: Path, unet: Any, scene: Path
) -> None:
    """The limit lies a little above what a process holds, so windows are small."""
    unet.save(tmp_path / "net.keras")
    held = re.search(r"holds (\d+)M", str(_refusal(tmp_path / "net.keras", scene, tmp_path)))
    assert held
    hashes = []
    for name, limit in (("free", None), ("short", f"{int(held[1]) + 20}M")):
        run = classify(
            scene, model=tmp_path / "net.keras", output=tmp_path / f"{name}.gpkg", max_memory=limit
        )
        with rasterio.open(next(run.rasters.glob("*.tif"))) as file:
            hashes.append(file.read(1).tobytes())
    assert hashes[0] == hashes[1]


def _refusal(model: Path, scene: Path, folder: Path) -> UsageError:
    with pytest.raises(UsageError, match="holds") as caught:
        classify(scene, model=model, output=folder / "none.gpkg", max_memory="1M")
    return caught.value


@pytest.mark.parametrize(("pool", "multiple"), [(3, 1), (5, 5), (64, 1)])
def test_sides_that_a_network_divides(prepared: Function, pool: int, multiple: int) -> None:
    keras = pytest.importorskip("keras")
    inputs = keras.layers.Input((None, None, 3))
    small = keras.layers.Conv2D(4, 1)(keras.layers.MaxPooling2D(pool)(inputs))
    large = keras.layers.UpSampling2D(pool)(small)
    both = keras.layers.Concatenate()([large, inputs])
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, activation="softmax")(both))
    assert prepared(model, tile_multiple=multiple).network.bytes_per_pixel > 0


def test_what_a_network_holds_counts_what_is_alive_at_once(prepared: Function) -> None:
    """Twice the input and output of the widest layer, at least, and less than all layers."""
    keras = pytest.importorskip("keras")
    layers = keras.layers
    inputs = values = layers.Input((None, None, 3))
    for _ in range(6):
        values = layers.Conv2D(16, 3, padding="same", activation="relu")(values)
    network = prepared(keras.Model(inputs, layers.Conv2D(2, 1)(values))).network
    both = 2 * 4 * (16 + 16)
    assert both <= network.bytes_per_pixel < 2 * both
