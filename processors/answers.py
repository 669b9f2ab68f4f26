"""Asking the model about a batch: for classes of the cores, or for scores to be blended."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np

from .batch import WindowBatch
from .classifier import Blending, Classifier
from .messages import Classes, Pixels, Scored

Answer_co = TypeVar("Answer_co", covariant=True)


class Asking(Protocol[Answer_co]):
    """How windows are answered."""

    def empty(self, window: Pixels) -> Answer_co:
        """Return the answer for a window without pixels."""
        ...

    def answers(self, windows: Sequence[Pixels], size: int) -> Iterator[Answer_co]:
        """Yield the answers for up to ``size`` windows of one kind.

        Raises:
            ItemError: The model does not take them.
        """
        ...


class AskClasses:
    """Windows are cropped to their cores, and only classes leave the device."""

    def __init__(self, classifier: Classifier) -> None:
        """Take the model."""
        self._classifier = classifier

    def empty(self, window: Pixels) -> Classes:
        """Return an answer without classes."""
        return Classes(
            task=window.task,
            core=window.core,
            valid=window.kept,
            index=None,
            confidence=None,
        )

    def answers(self, windows: Sequence[Pixels], size: int) -> Iterator[Classes]:
        """Yield the classes of the cores."""
        batch = self._classifier.classify(batch_of(windows, size))
        for slot, window in enumerate(windows):
            valid = window.kept
            if batch.valid is not None:
                valid = valid & batch.valid[slot][window.inner]
            yield Classes(
                task=window.task,
                core=window.core,
                valid=valid,
                index=batch.classes[slot][window.inner],
                confidence=batch.confidence[slot][window.inner],
                extras=tuple(extra[slot][window.inner] for extra in batch.extras),
            )


class AskScores:
    """Scores of whole windows leave the device, to be blended."""

    def __init__(self, blending: Blending) -> None:
        """Take the model."""
        self._blending = blending

    def empty(self, window: Pixels) -> Scored:
        """Return an answer without scores."""
        return Scored(window=window, scores=None)

    def answers(self, windows: Sequence[Pixels], size: int) -> Iterator[Scored]:
        """Yield the scores of the windows."""
        batch = self._blending.scores(batch_of(windows, size))
        for slot, window in enumerate(windows):
            yield Scored(window=window, scores=batch[slot])


def batch_of(windows: Sequence[Pixels], size: int) -> WindowBatch:
    """Return windows as a batch; its rest is zeros, so that its shape is constant."""
    first = windows[0].pixels
    if first is None:
        raise ValueError("a batch holds windows with pixels")
    places = tuple(window.place for window in windows)
    if size == 1:
        return WindowBatch(
            pixels=first[np.newaxis], valid=windows[0].valid[np.newaxis], places=places
        )
    pixels = np.zeros((size, *first.shape), first.dtype)
    valid = np.zeros((size, *first.shape[:2]), np.bool_)
    for slot, window in enumerate(windows):
        pixels[slot] = window.pixels
        valid[slot] = window.valid
    return WindowBatch(pixels=pixels, valid=valid, places=places)
