"""Counting the classes of a core, and adding up how sure the model was of them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.srs import PixelArea

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
    if valid.all():
        return index.astype(small, copy=False)
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


def counted(
    strips: Iterable[NDArray[Any]], values: NDArray[Any], area: PixelArea | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return of each class how many pixels a class raster has, and how many m² they cover.

    Args:
        strips: Its rows from top to bottom, shape (rows, width) each.
        values: Those of the classes, and of NoData at the end.
        area: Of a pixel by its row; None where that is not known.
    """
    order = np.argsort(values).astype(np.uint16)
    size, top = len(values) - 1, 0
    pixels, areas = np.zeros(size, np.int64), np.zeros(size, np.float64)
    for strip in strips:
        marks = order[np.searchsorted(values, strip, sorter=order)]
        by_row = pixels_by_row(marks, size)
        pixels += by_row.sum(axis=0)
        if area is not None:
            areas += np.array([area(top + row) for row in range(len(strip))]) @ by_row
        top += len(strip)
    return pixels, areas


def pixels_and_confidence(
    marks: NDArray[Any], confidence: NDArray[np.float32], size: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how often each class is there, and the sum of a confidence over its pixels.

    Args:
        marks: As :func:`marked` returns them, shape (height, width).
        confidence: The same shape, finite.
        size: Number of classes.
    """
    pixels, sums = np.zeros(size, np.int64), np.zeros(size, np.float64)
    if size > _FEW:
        pixels[:] = np.bincount(marks.ravel(), minlength=size + 1)[:size]
        sums[:] = np.bincount(marks.ravel(), confidence.ravel(), minlength=size + 1)[:size]
        return pixels, sums
    for position in range(size):
        chosen = marks == position
        pixels[position] = np.count_nonzero(chosen)
        if pixels[position]:
            by_row = np.einsum("ij,ij->i", confidence, chosen.astype(np.float32))
            sums[position] = by_row.sum(dtype=np.float64)
    return pixels, sums
