"""Keras 2 HDF5 files (``.h5``, ``.hdf5``)."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ...catalog.errors import ModelError, first_line
from ..network import Network
from ..tensorflow_setup import explain, tensorflow
from .keras3 import network_of_model

NAME = "an HDF5 file (.h5)"
_ALSO = (
    *("Functional", "Model", "Sequential", "InputLayer", "ThresholdedReLU", "LocallyConnected2D"),
    *("LocallyConnected1D", "CuDNNLSTM", "CuDNNGRU", "SyncBatchNormalization"),
    *("BatchNormalizationV1", "BatchNormalizationV2", "GlorotUniformV2", "Policy", "PolicyV1"),
    *("DTypePolicy", "RandomUniform", "RandomNormal", "TruncatedNormal", "TensorShape"),
    *("__tuple__", "__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__"),
)
"""Classes of Keras 2 that Keras 3 has no longer, or keeps elsewhere."""
_UNSAFE = (
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
)
"""Layers of Keras that hold code or read files."""
_OPERATION = "TFOpLambda"
_SLICING = "SlicingOpLambda"
_FUNCTIONS = re.compile(
    r"(compat\.v1\.)?((math|image|__operators__)\.\w+|nn\.(\w*relu\w*|\w*elu|silu|swish|\w*softmax"
    r"|soft\w+|sigmoid|tanh|\w*conv\w*|\w*pool\w*|bias_add|\w*batch_norm\w*|l2_normalize|lrn"
    r"|local_response_normalization|moments|space_to_depth|depth_to_space|dropout)"
    r"|cast|concat|clip_by_value|expand_dims|squeeze|reshape|transpose|stack|unstack|tile|pad|split|shape|identity|stop_gradient|where"
    r"|zeros_like|ones_like|convert_to_tensor|reverse|reduce_\w+|abs|square|sqrt|pow|gather"
    r"|ones|zeros|fill|strided_slice|broadcast_to|maximum|minimum|add|subtract|multiply|divide)"
)
"""TensorFlow functions that compute and nothing else."""
_OWN = re.compile(
    r"(tf_)?keras(\.src|\.engine)*(\.(layers|activations|initializers|regularizers|constraints"
    r"|models|saving|optimizers|losses|metrics|mixed_precision|dtype_policies)(\.\w+)*)?"
)
"""Modules that a configuration may name; Keras would import any."""


def matches(path: Path, head: bytes) -> bool:
    """Return whether the file is HDF5."""
    return head.startswith(b"\x89HDF\r\n\x1a\n")


def load(path: Path, properties: Mapping[str, Any]) -> Network:
    """Load a whole model: with Keras 3 where it can, else with ``tf_keras``.

    A model saved for one input size is rebuilt for any size where its layers allow that.

    Raises:
        ModelError: Weights only, damaged, holds code, or no pixel classifier.
    """
    _refuse_code(path)
    tensorflow()
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        library: ModuleType = keras
    except Exception as error:  # noqa: BLE001  whatever Keras 3 does not understand, Keras 2 may
        library = _keras2(path, error)
        try:
            model = library.models.load_model(path, compile=False)
        except Exception as second:
            raise ModelError(f"model {path} cannot be loaded: {explain(second)}") from second
    return network_of_model(library, _free_size(library, model), path, properties)


def _keras2(path: Path, error: Exception) -> ModuleType:
    try:
        import tf_keras
    except ImportError:
        raise ModelError(
            f"model {path} was written by Keras 2, which is not installed:"
            f" pip install 'pixelcat[keras2]' (Keras 3 says: {explain(error)})"
        ) from error
    module: ModuleType = tf_keras
    return module


def _refuse_code(path: Path) -> None:
    """Read the configuration, which is JSON, before anything else is loaded."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _check_storage(path, file)
            text = file.attrs.get("model_config")
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"model {path} is a damaged HDF5 file: {first_line(error)}") from error
    if text is None:
        raise ModelError(f"model {path} holds weights only; save the whole model")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model {path}: its configuration is damaged") from error
    for layer in _layers(config):
        _check_class(path, layer)


def _check_storage(path: Path, file: Any) -> None:
    """Refuse a file whose numbers lie in other files; each of its parts is looked at once."""
    import h5py

    def elsewhere(name: str, part: Any) -> str | None:
        is_data = isinstance(part, h5py.Dataset) and (part.external or part.is_virtual)
        return name if is_data or isinstance(part, h5py.ExternalLink) else None

    where = file.visititems_links(elsewhere) or file.visititems(elsewhere)
    if where is not None:
        raise ModelError(f"model {path} reads another file (/{where}); refused")


def _check_class(path: Path, layer: Mapping[str, Any]) -> None:
    """Refuse a class that is none of Keras' own, or one of those that run anything."""
    kind, config = str(layer["class_name"]), layer.get("config")
    label = (config.get("name") if isinstance(config, Mapping) else None) or kind
    module = layer.get("module")
    if module is not None and not _OWN.fullmatch(str(module)):
        raise ModelError(f"model {path} needs code of its own ({module}.{kind}); refused")
    if kind in (_OPERATION, _SLICING):
        function = str(config.get("function")) if isinstance(config, Mapping) else ""
        if not _FUNCTIONS.fullmatch(function):
            raise ModelError(f"model {path} calls {function} (layer {label}); refused")
    elif kind in _UNSAFE:
        raise ModelError(f"model {path} holds code (layer {label} is a {kind}); refused")
    elif kind not in _known_classes():
        raise ModelError(f"model {path} needs code of its own (layer {label} is a {kind}); refused")


@cache
def _known_classes() -> frozenset[str]:
    """Return the names of the classes that a configuration may hold."""
    tensorflow()
    import keras

    own = (
        keras.layers, keras.initializers, keras.regularizers, keras.constraints, keras.optimizers,
        keras.losses, keras.metrics, keras.dtype_policies,
    )  # fmt: skip
    classes = (name for each in own for name, it in vars(each).items() if isinstance(it, type))
    return frozenset(_ALSO).union(classes)


def _layers(config: object) -> Iterator[dict[str, Any]]:
    """Yield every object of a configuration that names a class, however deep."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for value in config.values():
            yield from _layers(value)
    elif isinstance(config, list):
        for value in config:
            yield from _layers(value)


def _free_size(library: ModuleType, model: Any) -> Any:
    """Return the model for any height and width, or the model itself where that fails."""
    shape = model.inputs[0].shape
    if len(model.inputs) != 1 or len(shape) != 4 or None in tuple(shape[1:3]):
        return model
    try:
        free = library.models.clone_model(
            model, input_tensors=library.layers.Input((None, None, shape[3]))
        )
        free.set_weights(model.get_weights())
        output = free.outputs[0].shape
    except Exception:  # noqa: BLE001  layers that need the size raise anything
        return model
    return free if len(output) == 4 and output[3] is not None else model
