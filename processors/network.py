"""A network as the rest of pixelcat sees it: pixels in, scores out, whatever file it came from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from ..catalog.errors import ModelError
from ..io.sniff import describe
from .twin import Twin

Scores = Literal["logits", "probabilities", "sigmoid", "values"]
"""What the output channels are: unbounded logits; a distribution over the classes; one
independent probability per channel; or scores of which only the order is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A loaded network."""

    call: Callable[[Any], Any]
    """Float32 tensor (n, height, width, bands) → scores (n, height, width, channels)."""
    twin: Twin | None
    """For measuring; None where there is none, and the network itself is measured."""
    height: int | None
    """Of the only input size it accepts; None where any will do."""
    width: int | None
    bands: int
    channels: int
    scores: Scores


class ModelFormat(Protocol):
    """What a module for one model format provides."""

    def matches(self, path: Path, head: bytes) -> bool:
        """Return whether the file is of this format, told by its first bytes."""
        ...

    def load(self, path: Path) -> Network:
        """Load the network; runs no code from the file.

        Raises:
            ModelError: Damaged, unsafe, or no pixel classifier.
        """
        ...


def model_format(path: Path) -> ModelFormat:
    """Return the format of a model file.

    Raises:
        ModelError: No format that runs here; says what the file looks like.
    """
    from . import keras_model

    formats: tuple[ModelFormat, ...] = (keras_model,)
    if path.is_dir():
        raise ModelError(f"model {path} is a folder; give a .keras file or an .emd file")
    with open(path, "rb") as file:
        head = file.read(512)
    for each in formats:
        if each.matches(path, head):
            return each
    raise ModelError(f"model {path} is not a Keras 3 file (.keras) but {describe(head)}")
