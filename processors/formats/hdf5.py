"""Keras 2 HDF5 files (``.h5``, ``.hdf5``)."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ...catalog.errors import ModelError, first_line
from ...io.hdf5_storage import elsewhere
from ..class_list import printable
from ..network import Network
from ..tensorflow_setup import explain, tensorflow
from .keras3 import named, network_of_model
from .keras_policy import check_config

NAME = "an HDF5 file (.h5)"
_LONGEST = 20
"""Characters of a version in an error."""


def matches(path: Path, head: bytes) -> bool:
    """Return whether the file is HDF5."""
    return head.startswith(b"\x89HDF\r\n\x1a\n")


def load(path: Path, properties: Mapping[str, Any]) -> Network:
    """Load a whole model: with Keras 3 where it can, else with ``tf_keras``.

    A model saved for one input size is rebuilt for any size where its layers allow that.

    Raises:
        ModelError: Weights only, damaged, holds code, or no pixel classifier.
    """
    writer = _refuse_code(path)
    with named(path, ".h5", ".hdf5") as file:
        library, model = _loaded(path, file, writer)
    return network_of_model(library, _free_size(library, model), path, properties)


def _loaded(path: Path, file: Path, writer: str) -> tuple[ModuleType, Any]:
    """Return the library that understands a file of a version of Keras, and the model."""
    tensorflow()
    import keras

    try:
        return keras, keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # whatever Keras 3 does not understand, Keras 2 may
        if writer.startswith("3."):
            said = explain(error).partition(" Please ")[0].rstrip(".")  # asks for code of one's own
            raise ModelError(
                f"model {path} was written by Keras {writer}, which cannot read all that it writes"
                f" as HDF5: {said}; save it as .keras"
            ) from error
        library = _keras2(path, error)
        try:
            return library, library.models.load_model(file, compile=False)
        except Exception as second:
            raise ModelError(f"model {path} cannot be loaded: {explain(second)}") from second


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


def _refuse_code(path: Path) -> str:
    """Read the configuration, which is JSON, before anything else is loaded.

    Returns:
        The version of Keras that wrote the file, as it says.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _check_storage(path, file)
            text = file.attrs.get("model_config")
            writer = printable(file.attrs.get("keras_version", ""))[:_LONGEST]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SystemError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"model {path} is a damaged HDF5 file: {first_line(error)}") from error
    if text is None:
        raise ModelError(f"model {path} holds weights only; save the whole model")
    check_config(path, text, compiles=True)
    return writer


def _check_storage(path: Path, file: Any) -> None:
    """Refuse a file whose numbers lie in other files."""
    where = elsewhere(file)
    if where is not None:
        raise ModelError(f"model {path} reads another file (/{where}); refused")


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
