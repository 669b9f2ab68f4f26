"""A soft-max at the end of a network becomes part of the decision: the same answers."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from pixelcat import classify

Function = Callable[..., Any]
ONE_SIZE = {"tile_size": 64, "batch_size": 2}
"""Windows of one size, for which the network is compiled with a loop of its own behind it."""


@pytest.fixture(scope="module")
def soft(tmp_path_factory: pytest.TempPathFactory) -> Function:
    """Return a function that saves a network with a soft-max over so many classes.

    Where an image is bright, what the first class is given is ``bright``, or NaN.
    """

    def save(bright: float, classes: int = 3, *, by_pixel: bool = False) -> Path:
        import keras

        layers = keras.layers
        keras.utils.set_random_seed(classes)
        inputs = layers.Input((None, None, 3))
        x = layers.Rescaling(1 / 255)(inputs)
        if not by_pixel:
            x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        scores = layers.Conv2D(classes, 1)(x)
        spots = layers.ReLU(threshold=200.0)(inputs)
        spots = layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")(spots)
        ends = [layers.Rescaling(1e38)(spots)]  # 0 or infinity
        if np.isnan(bright):
            ends.append(layers.Rescaling(-1e38)(spots))
        elif bright < 0:
            ends = [layers.Rescaling(-1e38)(spots)]
        first = layers.Add()(ends) if len(ends) > 1 else ends[0]
        others = layers.Rescaling(0.0)(layers.Conv2D(classes - 1, 1)(x))
        given = layers.Add()([scores, layers.Concatenate()([first, others])])
        net = keras.Model(inputs, layers.Softmax()(given))
        path: Path = tmp_path_factory.mktemp("net") / "net.keras"
        net.save(path)
        return path

    return save


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos; the second has six bright pixels."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(2):
        pixels = rng.integers(0, 150, (96, 80, 3), np.uint8)
        if number:
            pixels[-2:, -3:] = 255
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("by_pixel", [True, False], ids=["by pixel", "with context"])
@pytest.mark.parametrize("classes", [2, 3, 40])
def test_classes_and_probabilities_are_those_of_the_network(
    soft: Function, photos: Path, tmp_path: Path, classes: int, by_pixel: bool
) -> None:
    """Minus infinity before the soft-max is a probability of 0, as the network has it."""
    import keras

    path = soft(-np.inf, classes, by_pixel=by_pixel)
    run = classify(
        photos, model=path, output=tmp_path / "r.gpkg", arguments=ONE_SIZE,
        also="confidence,probabilities,entropy", also_type="float32",
    )  # fmt: skip
    assert (run.done, run.failed) == (2, 0)
    network = keras.models.load_model(path)
    for number, item in enumerate(run.sql("select item_id, raster_path from outputs order by 1")):
        pixels = np.asarray(Image.open(photos / f"{number}.png"), np.float32)
        expected = network.predict(pixels[np.newaxis], verbose=0)[0]
        extras = {
            row["kind"]: _read(run, row["raster_path"])
            for row in run.sql(
                "select kind, raster_path from item_extra_rasters where item_id = ?",
                [item["item_id"]],
            )
        }
        np.testing.assert_allclose(extras["probabilities"], expected, atol=2e-6)
        np.testing.assert_allclose(extras["confidence"][..., 0], expected.max(axis=-1), atol=2e-6)
        second, best = np.moveaxis(np.sort(expected, axis=-1)[..., -2:], -1, 0)
        values = _read(run, item["raster_path"])[..., 0].astype(int) - expected.argmax(axis=-1)
        assert len(set(values[best - second > 1e-5])) == 1


@pytest.mark.parametrize("bright", [np.inf, np.nan])
@pytest.mark.parametrize("by_pixel", [True, False], ids=["by pixel", "with context"])
@pytest.mark.parametrize("also", ["", "probabilities,entropy"])
def test_what_the_soft_max_makes_nan_of_fails_its_image(
    soft: Function, photos: Path, tmp_path: Path, bright: float, by_pixel: bool, also: str
) -> None:
    run = classify(
        photos, model=soft(bright, by_pixel=by_pixel), output=tmp_path / "r.gpkg",
        arguments=ONE_SIZE, also=also,
    )  # fmt: skip
    assert (run.done, run.failed) == (1, 1)
    assert "gave scores that are not finite in 6 pixels" in run.failures[0].reason


@pytest.mark.filterwarnings("ignore:You are using a softmax")
def test_of_one_channel_a_soft_max_is_always_sure(photos: Path, tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    inputs = layers.Input((None, None, 3))
    minus = keras.initializers.Constant(-1.0)
    scores = layers.Conv2D(1, 1, kernel_initializer=minus, activation="softmax")(inputs)
    keras.Model(inputs, scores).save(tmp_path / "net.keras")
    run = classify(
        photos, model=tmp_path / "net.keras", output=tmp_path / "r.gpkg", arguments=ONE_SIZE,
        also="confidence", also_type="float32",
    )  # fmt: skip
    assert run.done == 2
    for row in run.sql("select raster_path from item_extra_rasters"):
        assert (_read(run, row["raster_path"]) == 1).all()


def _read(run: Any, path: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(run.catalog.parent / path) as found:
            return np.moveaxis(found.read(), 0, -1)
