"""Models that load and then do what no classifier does: refused in one line, exit code 4."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixelcat.processors.definition import ModelDefinition
from pixelcat.processors.model_check import check

Function = Callable[..., Any]


@pytest.fixture(scope="module")
def keras(keras_net: Function) -> Any:
    keras_net(poolings=0)  # sets TensorFlow up
    import keras

    return keras


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
