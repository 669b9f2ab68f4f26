"""Fewer bits than float32, and batches that memory has no room for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from pixelcat import classify
from pixelcat.catalog.errors import ItemError
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
    with rasterio.open(
        path, "w", driver="GTiff", width=70, height=90, count=len(pixels), dtype="uint8"
    ) as file:
        file.write(pixels)
    return path


@pytest.mark.parametrize("blend", ["crop", "hann"])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
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
