"""Models that take down, or keep for ever, the process that ``model check`` runs them in."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner
from own_processes import INTERRUPTIBLE, children, is_alive, processor_time_s, within

from pixelcat.catalog.errors import ModelError
from pixelcat.cli import cli

Function = Callable[..., Any]


def without_weights(path: Path, net: Any) -> Path:
    """Write a network for TensorFlow Lite whose convolutions say that they have no weights."""
    import flatbuffers
    import keras
    from tensorflow import lite
    from tensorflow.lite.python import schema_py_generated as schema

    fixed = keras.layers.Input((16, 16, 3), 1)
    content = lite.TFLiteConverter.from_keras_model(keras.Model(fixed, net(fixed))).convert()
    model = schema.ModelT.InitFromPackedBuf(content)
    for each in model.subgraphs[0].operators:
        if len(each.inputs) == 3:
            each.inputs = np.array([each.inputs[0], -1, each.inputs[2]], np.int32)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def without_end(path: Path) -> Path:
    """Write a SavedModel that counts for ever."""
    import tensorflow as tf

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3))])
        def __call__(self, pixels: Any) -> Any:
            (turns,) = tf.while_loop(lambda n: n >= 0.0, lambda n: n * 0.5, [pixels[0, 0, 0, 0]])
            return pixels + turns

    tf.saved_model.save(Net(), str(path))
    return path


def test_a_model_that_crashes_is_refused(keras_net: Function, tmp_path: Path) -> None:
    model = without_weights(tmp_path / "net.tflite", keras_net(poolings=0))
    answer = CliRunner().invoke(cli, ["model", "check", str(model)])
    assert isinstance(answer.exception, ModelError)
    assert "model net cannot be run: its process was killed by SIG" in str(answer.exception)


def test_a_model_without_end_can_be_stopped(tmp_path: Path) -> None:
    model = without_end(tmp_path / "net")
    command = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "model", "check", model],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert within(60, lambda: len(children(command.pid)) == 1)
        (child,) = children(command.pid)
        assert within(120, lambda: processor_time_s(child) > 10)  # more than loading takes
        command.send_signal(signal.SIGINT)
        _, message = command.communicate(timeout=20)
        assert (command.returncode, message) == (130, "\nError: stopped\n")
        assert within(20, lambda: not is_alive(child))
    finally:
        for each in (*children(command.pid), command.pid):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        command.wait()
