"""The classifier: what the loop needs of a model."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..catalog.records import ClassDefinition
from .batch import ClassBatch, WindowBatch
from .extras import Extra
from .network import Network
from .windows import Tiling

ROOM = 32 << 20
"""Bytes of windows that wait between two stages, unless memory is short."""


class Blending(Protocol):
    """What blending needs of a model."""

    def scores(self, batch: WindowBatch) -> NDArray[np.float32]:
        """Return scores that may be averaged, shape (n, height, width, classes).

        Raises:
            ItemError: The network does not take windows of this shape or type.
        """
        ...

    def decide(self, scores: NDArray[np.float32]) -> ClassBatch:
        """Choose the classes for averaged scores with shape (..., classes)."""
        ...


class Classifier(Protocol):
    """What the loop needs of a model."""

    classes: tuple[ClassDefinition, ...]
    """In the order in which ``ClassBatch.classes`` counts."""
    gives_confidence: bool
    """False for a model that gives class values and no scores; confidence is then 1."""
    bands: int
    """Bands that the model takes; 0 for all of an image."""
    tiling: Tiling
    at_once: int
    """How many batches it may be asked about at the same time, from as many threads."""

    @property
    def extras(self) -> tuple[Extra, ...]:
        """What ``ClassBatch.extras`` holds."""
        ...

    @property
    def blending(self) -> Blending | None:
        """The model itself where scores of overlapping windows are averaged."""
        ...

    def batch_of(self, height: int, width: int) -> int:
        """Return how many windows of a size :meth:`classify` takes, no more and no fewer."""
        ...

    def classify(self, batch: WindowBatch) -> ClassBatch:
        """Classify windows.

        Raises:
            ItemError: The model does not take windows of this shape or type.
        """
        ...

    def remarks(self) -> tuple[str, ...]:
        """Return what the user should know after a run, a line each."""
        ...

    def rechecking(self) -> "Classifier":
        """Return the same model with twice the halo, to compare answers with; close only one.

        Its ``extras`` say how much each class lacked to be chosen, where there are scores.
        """
        ...

    def close(self) -> None:
        """Let go of what the model holds.

        Another thread may be waiting for :meth:`classify`; it gets an answer or an error soon.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A classifier and what was found out while preparing it."""

    classifier: Classifier
    network: Network | None
    """None where the model is no network that we can ask for scores."""
    found: dict[str, Any]
    """What ``model check`` reports."""
    notes: tuple[str, ...]
    """What the user should know, a line each."""
    device: str
    """What it computes on: ``CPU``, or the name of a GPU."""
    bands: tuple[int | str, ...] | None
    """0-based indexes or names of the bands it takes, in order; None for the first ones."""
    room: int = ROOM
    """Bytes of windows that may wait between two stages."""
