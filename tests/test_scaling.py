from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelcat.catalog.errors import ItemError, ModelError
from pixelcat.processors.arguments import parse_arguments
from pixelcat.processors.definition import ModelDefinition
from pixelcat.processors.options import resolve
from pixelcat.processors.scaling import Scaling

BANDS = 3
CHOICES: dict[str, list[Any]] = {
    "scale": [None, (0.0001,), (0.5, 2.0, 4.0)],
    "offset": [None, (-0.1,), (1.0, 0.0, -3.0)],
    "data_range": [None, (0.0, 1.0), (-1.0, 1.0)],
    "source_range": [None, (100.0, 3000.0)],
    "mean": [None, (0.5,), (0.1, 0.2, 0.3)],
    "std": [None, (0.25,), (0.1, 2.0, 3.0)],
}
COMBINATIONS = [dict(zip(CHOICES, values, strict=True)) for values in product(*CHOICES.values())]
RANGES = {"uint8": (0, 255), "uint16": (0, 65535)}


def reference(pixels: np.ndarray, dtype: str, given: dict[str, Any]) -> np.ndarray:
    """Scale (n, bands) pixels step by step, as the documentation words it."""
    values = pixels.astype(float)
    values = values * (given["scale"] or 1) + (given["offset"] or 0)
    if given["data_range"]:
        low, high = given["source_range"] or RANGES[dtype]
        least, greatest = given["data_range"]
        values = (values - low) / (high - low) * (greatest - least) + least
    return (values - (given["mean"] or 0)) / (given["std"] or 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_factors_equal_the_steps_in_every_combination(dtype: str) -> None:
    top = np.iinfo(dtype).max
    pixels = np.linspace(0, top, 60).astype(dtype).reshape(-1, BANDS)
    for given in COMBINATIONS:
        expected = reference(pixels, dtype, given)
        factors = Scaling(**given).factors(BANDS, dtype)
        found = pixels.astype(float) if factors is None else pixels * factors[0] + factors[1]
        size = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * size, err_msg=str(given))


def test_factors_are_one_float32_per_band() -> None:
    factor, summand = Scaling(scale=(0.5,), mean=(1.0, 2.0, 3.0)).factors(BANDS, "uint8")
    assert factor.dtype == summand.dtype == np.float32
    assert factor.tolist() == [0.5, 0.5, 0.5]
    assert summand.tolist() == [-1.0, -2.0, -3.0]


@pytest.mark.parametrize(
    "scaling",
    [
        Scaling(),
        Scaling(scale=(1.0,), offset=(0.0, 0.0, 0.0)),
        Scaling(data_range=(0.0, 255.0)),
        Scaling(data_range=(0.0, 1.0), source_range=(0.0, 1.0)),
        Scaling(source_range=(0.0, 1.0)),
    ],
)
def test_where_nothing_changes_there_is_nothing_to_do(scaling: Scaling) -> None:
    assert scaling.factors(BANDS, "uint8") is None


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_a_data_range_needs_pixels_of_known_range(dtype: str) -> None:
    with pytest.raises(ItemError, match=rf"{dtype} pixels .* source_range"):
        Scaling(data_range=(0.0, 1.0)).factors(BANDS, dtype)


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8"])
def test_a_source_range_serves_any_pixel_type(dtype: str) -> None:
    factor, summand = Scaling(data_range=(0.0, 1.0), source_range=(-50.0, 150.0)).factors(1, dtype)
    assert factor[0] * -50 + summand[0] == pytest.approx(0, abs=1e-6)
    assert factor[0] * 150 + summand[0] == pytest.approx(1)


def test_only_a_data_range_cares_for_the_pixel_type() -> None:
    assert Scaling(scale=(2.0,)).factors(1, "float32") is not None


@pytest.mark.parametrize("name", ["scale", "offset", "mean", "std"])
@pytest.mark.parametrize("count", [2, 4])
def test_a_list_of_another_length_is_refused(name: str, count: int) -> None:
    with pytest.raises(ModelError, match=rf"{name} has {count} numbers, the model takes 3 bands"):
        Scaling(**{name: (1.0,) * count}).check(BANDS)


@pytest.mark.parametrize("count", [1, 3])
def test_one_number_or_one_per_band_is_fine(count: int) -> None:
    numbers = (1.0,) * count
    Scaling(scale=numbers, offset=numbers, mean=numbers, std=numbers).check(BANDS)


def test_a_deviation_of_zero_is_refused() -> None:
    with pytest.raises(ModelError, match="Std"):
        Scaling(std=(1.0, 0.0, 1.0)).check(BANDS)


def test_arguments_go_over_the_definition_one_by_one(tmp_path: Path, write_emd: Any) -> None:
    emd = write_emd(tmp_path, Scale=0.5, Offset=[1, 2, 3], Mean=7)
    definition = ModelDefinition.load(emd)
    arguments = parse_arguments({"scale": "0.25", "std": "1,2,4", "source_range": "0,10"})
    assert resolve(definition, arguments).scaling == Scaling(
        scale=(0.25,), offset=(1, 2, 3), mean=(7,), std=(1, 2, 4), source_range=(0, 10)
    )


@pytest.mark.parametrize(
    ("dtype", "arguments"),
    [
        ("uint8", {"data_range": "0,1"}),
        ("uint16", {"data_range": "-1,1", "mean": "0.1,0.2,0.3", "std": "0.5"}),
        ("float32", {"scale": "2,3,4", "offset": "-1"}),
    ],
)
def test_the_compiled_network_gets_scaled_pixels(
    dtype: str, arguments: dict[str, str], prepared: Any, channel_net: Any, as_batch: Any
) -> None:
    """The network picks the greatest band, so scaling decides which."""
    classifier = prepared(channel_net, batch_size=1, **arguments).classifier
    top = 255 if dtype == "uint8" else 60000
    pixels = np.random.default_rng(3).integers(0, top, (1, 20, 30, BANDS)).astype(dtype)
    given = {**dict.fromkeys(CHOICES), **parse_arguments(arguments)}
    expected = reference(pixels.reshape(-1, BANDS), dtype, given)
    answer = classifier.classify(as_batch(pixels))
    assert (answer.classes.ravel() == expected.argmax(-1)).all()
    exponents = np.exp(expected - expected.max(-1, keepdims=True))
    confidence = 1 / exponents.sum(-1)
    np.testing.assert_allclose(answer.confidence.ravel(), confidence, atol=1e-3)


@pytest.fixture(scope="module")
def channel_net(keras_net: Any) -> Any:
    """A network whose three logits are its three bands."""
    keras_net(poolings=0)  # sets Keras up
    import keras

    inputs = keras.layers.Input((None, None, BANDS))
    head = keras.layers.Conv2D(BANDS, 1)
    model = keras.Model(inputs, head(inputs))
    head.kernel.assign(np.eye(BANDS).reshape(1, 1, BANDS, BANDS))
    return model
