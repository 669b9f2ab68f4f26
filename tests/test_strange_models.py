"""Models that load and then do what no classifier does: refused in one line, exit code 4."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pixelcat.catalog.errors import ModelError
from pixelcat.cli import cli
from pixelcat.processors.definition import ModelDefinition
from pixelcat.processors.model_check import check
from pixelcat.processors.options import resolve
from pixelcat.processors.prepare import prepare
from pixelcat.processors.tensorflow_setup import explain

Function = Callable[..., Any]


@pytest.fixture(scope="module")
def keras(keras_net: Function) -> Any:
    keras_net(poolings=0)  # sets TensorFlow up
    import keras

    return keras


def refusal(*arguments: object) -> str:
    answer = CliRunner().invoke(cli, [str(each) for each in arguments])
    assert isinstance(answer.exception, ModelError), answer.exception
    message = str(answer.exception)
    assert "\n" not in message
    return message


def saved(folder: Path, call: Callable[[Any, Any], Any]) -> Path:
    """Write a SavedModel that answers with ``call(tensorflow, pixels)``."""
    import tensorflow as tf

    class Net(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])  # type: ignore[untyped-decorator]
        def __call__(self, pixels: Any) -> Any:
            return call(tf, pixels)

    net = Net()
    tf.saved_model.save(net, str(folder), signatures=net.__call__)
    return folder


def beyond_memory(tf: Any, pixels: Any) -> Any:
    side = 1_000_000 * tf.shape(pixels)[3]
    return tf.nn.softmax(pixels + tf.reduce_sum(tf.random.uniform([side, side])))


def never(tf: Any, pixels: Any) -> Any:
    with tf.control_dependencies([tf.debugging.Assert(tf.size(pixels) < 0, ["no pixels please"])]):
        return tf.nn.softmax(pixels)


def test_a_graph_that_cannot_run_is_refused(
    keras: Any, tmp_path: Path, write_raster: Function
) -> None:
    model = saved(tmp_path / "net", never)
    scene = write_raster(tmp_path / "scene.tif", np.zeros((3, 40, 40), np.uint8))
    reason = "cannot be loaded: assertion failed: [no pixels please]"
    assert reason in refusal("model", "check", model)
    assert reason in refusal("classify", scene, "-m", model, "-o", tmp_path / "out.gpkg")


def test_a_graph_that_asks_for_more_memory_than_there_is_is_refused(
    keras: Any, tmp_path: Path
) -> None:
    reason = refusal("model", "check", saved(tmp_path / "net", beyond_memory))
    assert "cannot be loaded: OOM when allocating tensor with shape[3000000,3000000]" in reason


def test_a_constant_that_memory_does_not_hold_is_one_line() -> None:
    """TensorFlow works constants out beforehand, and says of large ones that they are damaged."""
    said = """Graph execution error:

        Detected at node PartitionedCall/zeros defined at (most recent call last):
          File "<frozen runpy>", line 198, in _run_module_as_main

        Cannot parse tensor from proto: goo.gle/debugstr
        dtype: DT_FLOAT
        \t [[{{node PartitionedCall/zeros}}]] [Op:__inference_pruned_85]"""
    assert explain(ValueError(said)) == "a constant of its graph is damaged, or larger than memory"


def test_an_exported_network_that_still_augments_is_refused(
    keras: Any, tmp_path: Path, write_raster: Function
) -> None:
    """``model.export`` keeps augmentation going: the answers are of images flipped at random."""
    layers = keras.layers
    network = keras.Sequential(
        [layers.Input((32, 32, 3)), layers.RandomFlip(), layers.Conv2D(3, 1, activation="softmax")]
    )
    network.export(tmp_path / "net", verbose=False)
    network.save(tmp_path / "net.keras")
    scene = write_raster(tmp_path / "scene.tif", np.zeros((3, 40, 40), np.uint8))
    reason = "changes images at random while it answers"
    assert reason in refusal("model", "check", tmp_path / "net")
    assert reason in refusal("classify", scene, "-m", tmp_path / "net", "-o", tmp_path / "o.gpkg")

    definition = ModelDefinition.load(tmp_path / "net.keras")
    ready = prepare(definition, resolve(definition, {})).network
    pixels = np.random.default_rng(3).random((1, 32, 32, 3), np.float32)
    assert ready is not None
    answers = [ready.call(pixels).numpy() for _ in range(8)]
    assert all(np.array_equal(answers[0], each) for each in answers)
    assert np.array_equal(answers[0], network.layers[-1](pixels).numpy())


def test_no_python_code_is_written_where_a_stopped_process_would_leave_it(
    keras: Any, keras_net: Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AutoGraph writes files for what it converts, and removes them when Python ends."""
    keras_net(poolings=1).save(tmp_path / "net.keras")
    saved(tmp_path / "net", lambda tf, pixels: tf.nn.softmax(pixels))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for model, blend in ((tmp_path / "net.keras", "hann"), (tmp_path / "net", "crop")):
        arguments = {"blend": blend, "tile_size": "64", "batch_size": "1"}
        check(ModelDefinition.load(model), arguments, None)
    assert list(temporary.iterdir()) == []
