"""ONNX files (``.onnx``), through ONNX Runtime."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...catalog.errors import ModelError
from ..network import Network
from ..tensorflow_setup import explain, tensorflow
from .graph import network_of, outside_graph
from .hints import chosen_output, output_scores

NAME = "an ONNX file"
_TYPES = {"tensor(float)": "f4", "tensor(float16)": "f2", "tensor(double)": "f8",
          "tensor(uint8)": "u1", "tensor(int32)": "i4", "tensor(int64)": "i8"}  # fmt: skip
_EXTERNAL = re.compile(rb"(?:\x08|\x88\x80*\x00)location")
"""The key by which a tensor names the file of its numbers, with its length before it."""
_MOST_BANDS = 32
"""More channels than this are taken for pixels when the layout is guessed."""


def matches(path: Path, head: bytes) -> bool:
    """Return whether the file is named as ONNX and begins with its version number."""
    return path.suffix.lower() == ".onnx" and head[:1] == b"\x08"


def load(path: Path, properties: Mapping[str, Any]) -> Network:
    """Load a model; ``ModelFormat`` (NCHW or NHWC) says its layout where it cannot be guessed.

    Raises:
        ModelError: Damaged, or no pixel classifier; ONNX Runtime is not installed.
    """
    runtime = _runtime(path)
    content = path.read_bytes()
    if _EXTERNAL.search(content):
        raise ModelError(f"model {path} reads other files (external data); refused")
    try:
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has an exception for each of its states
        raise ModelError(f"model {path} cannot be loaded: {explain(error)}") from error
    if len(session.get_inputs()) != 1:
        raise ModelError(f"model {path} has {len(session.get_inputs())} inputs; expected one")
    model = _Model(path, session, properties)
    call = outside_graph(model.run, model.channels, integers=model.gives_integers)
    tf = tensorflow()
    spec = tf.TensorSpec(model.input_shape, tf.float32)
    return network_of(path, call, spec, output_scores(properties))


def _runtime(path: Path) -> ModuleType:
    try:
        import onnxruntime
    except ImportError:
        raise ModelError(f"model {path} wants ONNX Runtime: pip install 'pixelcat[onnx]'") from None
    module: ModuleType = onnxruntime
    return module


class _Model:
    """A session with its layout: windows go in and come out as (n, height, width, channels)."""

    def __init__(self, path: Path, session: Any, properties: Mapping[str, Any]) -> None:
        self._session = session
        source = session.get_inputs()[0]
        outputs = session.get_outputs()
        names = [output.name for output in outputs]
        output = outputs[chosen_output(path, names, properties.get("OutputName"))]
        shape = [side if isinstance(side, int) and side > 0 else None for side in source.shape]
        if len(shape) != 4 or source.type not in _TYPES:
            raise ModelError(f"model {path} takes {source.type} {source.shape}; expected 4 axes")
        self._dtype = np.dtype(_TYPES[source.type])
        self._names = source.name, output.name
        self._bands_first = _bands_first(path, shape, properties.get("ModelFormat"))
        first, *rest = shape
        self.input_shape = [first, *rest[1:], rest[0]] if self._bands_first else shape
        self.gives_integers = output.type in ("tensor(int64)", "tensor(int32)", "tensor(uint8)")
        self._has_channels = len(output.shape) == 4
        last = output.shape[1 if self._bands_first else 3] if self._has_channels else None
        self.channels = [last if isinstance(last, int) else None] if self._has_channels else []

    def run(self, pixels: NDArray[np.float32]) -> NDArray[Any]:
        """Return the output for windows (n, height, width, bands)."""
        data = np.moveaxis(pixels, 3, 1) if self._bands_first else pixels
        source, output = self._names
        given = self._session.run([output], {source: data.astype(self._dtype)})[0]
        if self._has_channels and self._bands_first:
            given = np.moveaxis(given, 1, 3)
        return np.asarray(given, np.int32 if self.gives_integers else np.float32)


def _bands_first(path: Path, shape: list[int | None], said: object) -> bool:
    """Return whether the bands come before height and width, as PyTorch has it."""
    if said is not None:
        return str(said).upper() == "NCHW"
    second, last = (side is not None and side <= _MOST_BANDS for side in (shape[1], shape[3]))
    if second == last:
        raise ModelError(f"model {path} takes {shape}; say ModelFormat NCHW or NHWC in an .emd")
    return second
