"""Counting the classes of a core, and adding up how sure the model was of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW = 24
"""Classes up to which a product with each is faster than counting with weights."""


def marked(index: NDArray[Any], valid: NDArray[np.bool_], size: int) -> NDArray[Any]:
    """Return class positions, ``size`` where no class is to be.

    Args:
        index: Shape (height, width), whole numbers below ``size``.
        valid: The same shape.
        size: Number of classes.
    """
    small = np.uint8 if size <= np.iinfo(np.uint8).max else np.uint16
    return np.where(valid, index, small(size)).astype(small, copy=False)


def pixels_by_row(marks: NDArray[Any], size: int) -> NDArray[np.int64]:
    """Return how often each class is in each row, shape (height, size).

    Args:
        marks: As :func:`marked` returns them.
        size: Number of classes.
    """
    height = len(marks)
    rows = np.arange(height)[:, np.newaxis] * (size + 1)
    counts = np.bincount((rows + marks).ravel(), minlength=height * (size + 1))
    return counts.reshape(height, size + 1)[:, :size]


def confidence_sums(
    marks: NDArray[Any], confidence: NDArray[np.float32], present: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the sum of a confidence over the pixels of each class.

    Args:
        marks: As :func:`marked` returns them, shape (height, width).
        confidence: The same shape; finite wherever there is a class.
        present: Which classes there are.
    """
    size = len(present)
    if np.count_nonzero(present) > _FEW:
        weights = np.bincount(marks.ravel(), confidence.ravel(), minlength=size + 1)
        return weights[:size].astype(np.float64)
    sums = np.zeros(size)
    finite = np.where(marks < size, confidence, np.float32(0))
    for position in np.flatnonzero(present):
        chosen = (marks == position).astype(np.float32)
        sums[position] = np.einsum("ij,ij->i", finite, chosen).sum(dtype=np.float64)
    return sums
