"""Scores that are NaN or infinite fail their image, whatever way a model is asked; never a class."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelcat import classify
from pixelcat.processors.decision import Decision

Function = Callable[..., Any]
REASON = r"gave scores that are not finite in (\d+) pixels"


@pytest.fixture(scope="module")
def overflowing(keras_net: Function, tmp_path_factory: pytest.TempPathFactory) -> Function:
    """Return a function that saves a network whose scores are not finite where an image is bright.

    Other pixels get the class that a network without that has.
    """

    def save(kind: str, *, by_pixel: bool = True, stays: str = "nan") -> Path:
        import keras

        layers = keras.layers
        inputs = layers.Input((None, None, 3))
        bright = layers.ReLU(threshold=200.0)(inputs)
        x = layers.Rescaling(1 / 255)(inputs)
        if not by_pixel:
            x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        scores = layers.Conv2D(3, 1, activation="sigmoid" if kind == "sigmoid" else None)(x)
        endless = layers.Rescaling(1e38)(bright)  # 0 or infinity
        first = layers.Conv2D(3, 1, use_bias=False, kernel_initializer="ones")(endless)
        if stays == "nan":
            minus = keras.initializers.Constant(-1.0)
            other = layers.Conv2D(3, 1, use_bias=False, kernel_initializer=minus)(endless)
            first = layers.Add()([first, other])
        net = keras.Model(inputs, layers.Add()([scores, first]))
        folder = tmp_path_factory.mktemp("net")
        net.save(folder / "net.keras")
        return folder / "net.keras"

    return save


def photos(folder: Path, side: int = 64) -> Path:
    """Four photos; the second and third have bright pixels in a corner."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(4):
        pixels = rng.integers(0, 150, (side, side, 3), np.uint8)
        if number in (1, 2):
            pixels[-2:, -3:] = 255
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


WAYS: dict[str, dict[str, Any]] = {
    "crop": {},
    "blend": {"arguments": {"blend": "hann", "tile_size": 32, "padding": 8}},
    "turns mean": {"arguments": {"test_time_augmentation": True}},
    "turns max": {"arguments": {"test_time_augmentation": True, "merge_policy": "max"}},
    "turns min": {"arguments": {"test_time_augmentation": True, "merge_policy": "min"}},
    "turns and blend": {
        "arguments": {"test_time_augmentation": True, "merge_policy": "max", "blend": "hann"}
    },
    "fractions": {"arguments": {"scores": "fractions"}},
    "fractions, turned": {
        "arguments": {"scores": "fractions", "test_time_augmentation": True}
    },
    "values": {"arguments": {"scores": "values", "test_time_augmentation": True,
                             "merge_policy": "min"}},
    "extras": {"also": "confidence,probabilities,entropy"},
    "extras in floats": {"also": "probabilities,entropy", "also_type": "float32"},
    "bfloat16": {"arguments": {"precision": "bfloat16"}},
    "whole tiles": {"arguments": {"tile_size": 64, "batch_size": 1}},
}  # fmt: skip


@pytest.mark.parametrize("stays", ["nan", "inf"])
@pytest.mark.parametrize("by_pixel", [True, False], ids=["by pixel", "with context"])
@pytest.mark.parametrize("way", WAYS)
def test_an_image_with_such_scores_fails_alone(
    overflowing: Function, tmp_path: Path, way: str, by_pixel: bool, stays: str
) -> None:
    model = overflowing("logits", by_pixel=by_pixel, stays=stays)
    folder = photos(tmp_path / "photos")
    run = classify(folder, model=model, output=tmp_path / "r.gpkg", **WAYS[way])
    assert (run.done, run.failed, run.exit_code) == (2, 2, 3)
    assert [failure.image for failure in run.failures] == ["1.png", "2.png"]
    for failure in run.failures:
        assert "scores that are not finite in" in failure.reason
    assert {path.name[7] for path in run.rasters.iterdir()} == {"0", "3"}


def test_the_pixels_are_counted(overflowing: Function, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    run = classify(folder, model=overflowing("logits"), output=tmp_path / "r.gpkg")
    assert "in 6 pixels" in run.failures[0].reason


def test_pixels_without_data_do_not_count(overflowing: Function, tmp_path: Path) -> None:
    pixels = np.zeros((9, 9, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[0, 0] = (255, 255, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    run = classify(tmp_path / "a.png", model=overflowing("logits"), output=tmp_path / "r.gpkg")
    assert (run.done, run.failed) == (1, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["logits", "probabilities", "sigmoid", "fractions", "values"])
@pytest.mark.parametrize("channels", [1, 3])
def test_likelihoods_are_nan_where_a_score_is_not_finite(
    value: float, kind: Any, channels: int
) -> None:
    """What is averaged or merged must not lose it."""
    from pixelcat.catalog.records import ClassDefinition
    from pixelcat.processors.tensorflow_setup import tensorflow

    scores = np.full((1, 2, 2, channels), 0.25, np.float32)
    scores[0, 1, 0, -1] = value
    classes = tuple(ClassDefinition(value=v, name=f"c{v}", color=(v, v, v)) for v in range(3))
    decision = Decision(scores=kind, classes=classes)
    likely = decision.likelihoods(tensorflow().constant(scores)).numpy()
    bad = np.isnan(likely).all(axis=-1)
    assert bad.tolist() == [[[False, False], [True, False]]]
    assert np.isfinite(likely[~bad]).all()


def test_verification_finds_classes_where_the_model_gives_none_now(
    overflowing: Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class raster is of a time when the model still gave some."""
    from pixelcat.processors.class_map import ClassMap

    folder = photos(tmp_path / "photos")
    model = overflowing("logits")
    with monkeypatch.context() as patch:
        patch.setattr(ClassMap, "_checked", lambda *given: np.nan_to_num(given[2]))
        run = classify(folder, model=model, output=tmp_path / "r.gpkg")
        assert run.done == 4
    run = classify(folder, model=model, output=tmp_path / "r.gpkg", verify=50)
    assert run.verification is not None
    assert run.verification.differ == 12


def test_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kinds = onnx.helper, onnx.TensorProto
    value = helper.make_tensor_value_info
    steps = [  # log of what is negative: NaN
        helper.make_node("Sub", ["limit", "in"], ["left"]),
        helper.make_node("Log", ["left"], ["out"]),
    ]
    graph = helper.make_graph(
        steps, "net", [value("in", kinds.FLOAT, ["n", 3, "h", "w"])],
        [value("out", kinds.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor("limit", kinds.FLOAT, [], [200.0])],
    )  # fmt: skip
    made = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 13)])
    onnx.save(made, str(tmp_path / "net.onnx"))
    classes = [{"Value": number, "Name": f"c{number}"} for number in range(3)]
    emd = {"Framework": "ONNX", "ModelFile": "net.onnx", "Classes": classes}
    (tmp_path / "net.emd").write_text(json.dumps(emd))
    run = classify(
        photos(tmp_path / "photos"), model=tmp_path / "net.emd", output=tmp_path / "r.gpkg"
    )
    assert (run.done, run.failed) == (2, 2)
    assert "not finite in 6 pixels" in run.failures[0].reason


def test_tensorflow_lite(overflowing: Function, tmp_path: Path) -> None:
    import keras

    from pixelcat.processors.tensorflow_setup import tensorflow

    net = keras.saving.load_model(overflowing("logits"))
    fixed = keras.Input((64, 64, 3), batch_size=1)
    converter = tensorflow().lite.TFLiteConverter.from_keras_model(keras.Model(fixed, net(fixed)))
    (tmp_path / "net.tflite").write_bytes(converter.convert())
    run = classify(
        photos(tmp_path / "photos"), model=tmp_path / "net.tflite", output=tmp_path / "r.gpkg"
    )
    assert (run.done, run.failed) == (2, 2)
    assert "not finite in 6 pixels" in run.failures[0].reason
