"""Keras 3 ``.keras`` files."""

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from ...catalog.errors import ModelError
from ...io.zip_members import BROKEN, leads_out, too_many, unbounded
from ..network import Network, Scores, Twin
from ..tensorflow_setup import explain, tensorflow
from .any_size import traceable
from .hints import SAID, chosen_output, output_scores
from .keras_policy import check_config
from .twin import has_gaps, twin_of

NAME = "a Keras 3 file (.keras)"

_KEEP_SCORES = (
    *("UpSampling2D", "Resizing", "Cropping2D", "CenterCrop", "Reshape", "Permute", "Identity"),
    *("Dropout", "SpatialDropout2D"),
)
"""Layers that move or average scores and leave their kind as it is."""
_PASS_ON = ("Cast", "ExpandDims", "Identity", "Reshape", "Squeeze")
"""Operations that leave class values as they are."""
_CONFIG = "config.json"
_MEMBERS = {_CONFIG, "metadata.json", "model.weights.h5"}
_LARGEST_CONFIG = 32 << 20
"""Bytes, as of a definition; constants lie in the configuration too."""
_MOST_MEMBERS = 10_000
"""Besides its own three a file has one for each table of words that a layer looks up."""


def matches(path: Path, head: bytes) -> bool:
    """Return whether the file is a ZIP archive with the members of a Keras 3 file."""
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) >= _MEMBERS
    except (*BROKEN, OSError):
        return False


def load(path: Path, properties: Mapping[str, Any]) -> Network:
    """Load a model in safe mode, without optimiser, loss and metrics.

    Raises:
        ModelError: Damaged, needs code of its own, or no pixel classifier.
    """
    try:
        _check_members(path)
        tensorflow()
        import keras

        with named(path, ".keras") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what matters comes as an exception
            model = keras.saving.load_model(file, compile=False, safe_mode=True)
        if not isinstance(model, keras.Model) or not model.inputs:
            raise ModelError(f"model {path} is no network with an input")
    except ModelError:
        raise
    except Exception as error:  # Keras raises anything from KeyError to its own
        raise ModelError(f"model {path} cannot be loaded: {explain(error)}") from error
    return network_of_model(keras, model, path, properties)


def network_of_model(
    library: ModuleType, model: Any, path: Path, properties: Mapping[str, Any]
) -> Network:
    """Describe a loaded Keras model.

    Args:
        library: ``keras`` or ``tf_keras``, whichever the model is of.
        model: The model.
        path: Its file, for messages.
        properties: The model definition.

    Raises:
        ModelError: No pixel classifier.
    """
    height, width, bands = _input_size(model, path)
    model = _with_one_output(library, model, path, properties.get("OutputName"))
    free = traceable(library, model) if height is None or width is None else model
    said = output_scores(properties)
    scores, reason = (said, SAID) if said is not None else _class_values(model) or _scores(model)
    return Network(
        call=lambda pixels: free(pixels, training=False),
        twin=cache(partial(_twin, library, model, scores)),
        height=height,
        width=width,
        bands=bands,
        channels=_channels(model, path) if scores != "classes" else 0,
        scores=scores,
        reason=reason,
        has_gaps=has_gaps(model),
    )


def _check_members(path: Path) -> None:
    """Refuse what Keras would pass over, or believe: members, and names in the configuration."""
    with zipfile.ZipFile(path) as archive:
        listed = archive.namelist()
        if reason := too_many(archive.infolist(), _MOST_MEMBERS):
            raise ModelError(f"model {path} {reason}")
        for entry in archive.infolist():
            if leads_out(entry.filename):
                raise ModelError(
                    f"model {path} holds {entry.filename!r}, which leads out of it; refused"
                )
            if reason := unbounded(entry):
                raise ModelError(f"model {path}: {entry.filename} {reason}")
        twice = [name for name in _MEMBERS if listed.count(name) > 1]
        if twice:
            raise ModelError(f"model {path} holds {twice[0]} twice; refused")
        if archive.getinfo(_CONFIG).file_size > _LARGEST_CONFIG:
            raise ModelError(
                f"model {path}: its {_CONFIG} is larger than {_LARGEST_CONFIG >> 20} MB,"
                " more than any network needs"
            )
        text = archive.read(_CONFIG)
    check_config(path, text, compiles=False)


@contextmanager
def named(path: Path, *suffixes: str) -> Iterator[Path]:
    """Give a path that ends as Keras wants it: it goes by the name, not by the content."""
    if path.suffix in suffixes:
        yield path
        return
    with TemporaryDirectory() as folder:
        link = Path(folder) / f"model{suffixes[0]}"
        link.symlink_to(path.resolve())
        yield link


def _input_size(model: Any, path: Path) -> tuple[int | None, int | None, int]:
    if len(model.inputs) != 1:
        raise ModelError(f"model {path} has {len(model.inputs)} inputs; a classifier has one")
    shape = model.inputs[0].shape
    if len(shape) != 4 or shape[3] is None:
        raise ModelError(f"model {path} takes {shape}; expected (batch, height, width, bands)")
    return shape[1], shape[2], shape[3]


def _with_one_output(library: ModuleType, model: Any, path: Path, wanted: object) -> Any:
    """Return the model with the output that is wanted, by layer name or number."""
    names = [_origin(output).name for output in model.outputs]
    number = chosen_output(path, names, wanted)
    if len(names) == 1:
        return model
    return library.Model(model.inputs, model.outputs[number])


def _channels(model: Any, path: Path) -> int:
    shape = model.outputs[0].shape
    if len(shape) != 4 or shape[3] is None:
        raise ModelError(
            f"model {path} gives {shape}, no score for each pixel (batch, height, width, classes)"
        )
    return int(shape[3])


def _twin(library: ModuleType, model: Any, scores: Scores) -> Twin | None:
    """Return the twin; of class values that of the scores before their arg-max, which hides much.

    None where the arg-max is not found.
    """
    if scores != "classes":
        return twin_of(library, model)
    operation = _origin(model.outputs[0])
    while type(operation).__name__ in _PASS_ON and hasattr(operation.input, "_keras_history"):
        operation = _origin(operation.input)
    if type(operation).__name__ != "Argmax" or len(operation.input.shape) != 4:
        return None
    return twin_of(library, library.Model(model.inputs, operation.input))


def _class_values(model: Any) -> tuple[Scores, str] | None:
    """Tell from the output whether it is class values, as of a graph; None where it is not."""
    output = model.outputs[0]
    if len(output.shape) not in (3, 4):
        return None
    if tensorflow().as_dtype(output.dtype).is_integer:
        return "classes", "whole numbers"
    return ("classes", "no axis of channels") if len(output.shape) == 3 else None


def _scores(model: Any) -> tuple[Scores, str]:
    """Tell from the last layer that changes scores what the output channels are, and how."""
    layer = _last_layer(model)
    while True:
        if hasattr(layer, "layers") and hasattr(layer, "outputs"):
            layer = _last_layer(layer)
        elif type(layer).__name__ in _KEEP_SCORES and hasattr(layer.input, "_keras_history"):
            layer = _origin(layer.input)
        else:
            break
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    if type(layer).__name__ == "Softmax":
        activation = "softmax"
    kinds: dict[str | None, Scores] = {
        "softmax": "probabilities", "sigmoid": "sigmoid", "linear": "logits",
    }  # fmt: skip
    said = f"activation {activation}" if activation else "no activation that we know"
    return kinds.get(activation, "values"), f"layer {layer.name} with {said}"


def _last_layer(model: Any) -> Any:
    return _origin(model.outputs[0])


def _origin(tensor: Any) -> Any:
    """Return the layer that gives a symbolic tensor, in Keras 3 or Keras 2."""
    history = tensor._keras_history
    return history.operation if hasattr(history, "operation") else history.layer
