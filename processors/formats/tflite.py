"""TensorFlow Lite files (``.tflite``)."""

import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...catalog.errors import ModelError
from ..network import Network
from ..tensorflow_setup import explain, tensorflow
from .graph import network_of, outside_graph, refuse
from .hints import chosen_output, output_scores

NAME = "a TensorFlow Lite file"
_FLEX = "Flex"
"""How the name of an operation begins that TensorFlow Lite leaves to TensorFlow."""


def matches(path: Path, head: bytes) -> bool:
    """Return whether the file is a TensorFlow Lite flat buffer."""
    return head[4:8] == b"TFL3"


def load(path: Path, properties: Mapping[str, Any]) -> Network:
    """Load a model that classifies images, or one that classifies single pixels (n, bands).

    Raises:
        ModelError: Damaged, or no pixel classifier.
    """
    tf = tensorflow()
    _check_operations(path)
    try:
        interpreter = _Interpreter(path, properties.get("OutputName"))
    except (ValueError, RuntimeError) as error:  # of TensorFlow, or ours
        raise ModelError(f"model {path} cannot be loaded: {explain(error)}") from error
    spec = tf.TensorSpec(interpreter.input_shape, tf.float32)
    call = outside_graph(interpreter.run, interpreter.channels, integers=interpreter.gives_integers)
    return network_of(path, call, spec, output_scores(properties))


def _check_operations(path: Path) -> None:
    """Refuse a model that leaves operations to TensorFlow: they are not what their names say."""
    from tensorflow.lite.python import schema_py_generated as schema

    try:
        codes = schema.ModelT.InitFromPackedBuf(path.read_bytes()).operatorCodes or []
        custom = [(code.customCode or b"").decode() for code in codes]
    except Exception as error:  # the reader of flat buffers raises anything for a damaged one
        raise ModelError(f"model {path} is a damaged TensorFlow Lite file") from error
    refuse(path, {name for name in custom if name.startswith(_FLEX)})


class _Interpreter:
    """An interpreter for windows of any size that the model takes; one call at a time."""

    def __init__(self, path: Path, output: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated in favour of a package of its own
            self._interpreter = tensorflow().lite.Interpreter(
                model_content=path.read_bytes(), num_threads=2
            )
        self._interpreter.allocate_tensors()
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        if len(inputs) != 1:
            raise ValueError(f"{len(inputs)} inputs; a classifier has one")
        names = [str(each["name"]) for each in outputs]
        self._input = inputs[0]
        self._output = outputs[chosen_output(path, names, output)]
        self._lock = threading.Lock()
        shape = [int(n) for n in self._input["shape_signature"]]
        self._by_pixel = len(shape) == 2
        given = [int(n) for n in self._output["shape_signature"]]
        self.channels = given[1:] if self._by_pixel else given[3:]
        """One number, or none where the output has no axis of channels."""
        self.gives_integers = not self._output["quantization"][0] and np.issubdtype(
            self._output["dtype"], np.integer
        )
        self.input_shape = [None, *(n if n > 0 else None for n in shape[1:])]
        if self._by_pixel:
            self.input_shape = [None, None, None, shape[1]]

    def run(self, pixels: NDArray[np.float32]) -> NDArray[Any]:
        """Return scores (n, height, width, channels) of windows (n, height, width, bands)."""
        data = pixels.reshape(-1, pixels.shape[-1]) if self._by_pixel else pixels
        with self._lock:
            index = self._input["index"]
            if tuple(self._interpreter.get_input_details()[0]["shape"]) != data.shape:
                self._interpreter.resize_tensor_input(index, data.shape)
                self._interpreter.allocate_tensors()
            self._interpreter.set_tensor(index, _quantized(data, self._input))
            self._interpreter.invoke()
            given = self._interpreter.get_tensor(self._output["index"])
        real = given.astype(np.int32) if self.gives_integers else _real(given, self._output)
        return real.reshape(*pixels.shape[:3], *self.channels) if self._by_pixel else real


def _quantized(values: NDArray[np.float32], details: Mapping[str, Any]) -> NDArray[Any]:
    """Return real values as the input type of the model: q = value / scale + zero point."""
    scale, zero = details["quantization"]
    if not scale:
        return values.astype(details["dtype"])
    limits = np.iinfo(details["dtype"])
    steps = np.clip(np.round(values / scale + zero), limits.min, limits.max)
    return np.asarray(steps.astype(details["dtype"]))


def _real(values: NDArray[Any], details: Mapping[str, Any]) -> NDArray[np.float32]:
    scale, zero = details["quantization"]
    real = values.astype(np.float32)
    return real if not scale else (real - np.float32(zero)) * np.float32(scale)
