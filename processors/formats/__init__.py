"""Model formats: each is one small module that turns a file into a :class:`Network`.

A new format is one module with the functions of :class:`ModelFormat` and one line in
``FORMATS``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ...catalog.errors import ModelError
from ...catalog.lock import assert_not_live
from ...io.sniff import HEAD_BYTES, describe
from ..network import Network
from . import frozen_graph, hdf5, keras3, onnx, saved_model, tflite


class ModelFormat(Protocol):
    """What a module of this package provides."""

    NAME: str

    def matches(self, path: Path, head: bytes) -> bool:
        """Return whether the file (or folder) is of this format, told by its content."""
        ...

    def load(self, path: Path, properties: Mapping[str, Any]) -> Network:
        """Load the network; runs no code from the file.

        Args:
            path: The model file or folder.
            properties: The model definition, for what the file itself does not say.

        Raises:
            ModelError: Damaged, unsafe, or no pixel classifier.
        """
        ...


FORMATS: tuple[ModelFormat, ...] = (keras3, hdf5, saved_model, frozen_graph, tflite, onnx)


def model_format(path: Path) -> ModelFormat:
    """Return the format of a model file.

    Raises:
        ModelError: No format that runs here; says what the file looks like.
    """
    head = b"" if path.is_dir() else _head(path)
    for each in FORMATS:
        if each.matches(path, head):
            return each
    if path.is_dir():
        raise ModelError(f"model {path} is a folder without saved_model.pb")
    looks_like = describe(head)
    known = ", ".join(each.NAME for each in FORMATS)
    raise ModelError(f"model {path} is none of {known} but {looks_like}")


def _head(path: Path) -> bytes:
    assert_not_live(path)
    try:
        with open(path, "rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise ModelError(f"model {path} cannot be read: {error.strerror}") from error
