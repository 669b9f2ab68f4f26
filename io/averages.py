"""Means of pixels over larger cells whose edges are parallel to them."""

from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

_ALIGNED = 1e-6
"""Pixels by which an edge of a cell may miss that of a pixel and still be on it."""


def is_parallel(place: Affine, grid: Affine) -> bool:
    """Return whether the rows of two grids in one reference system are parallel."""
    return place.b == place.d == grid.b == grid.d == 0


def edges(place: Affine, grid: Affine, rows: int, columns: int) -> tuple[NDArray[Any], ...]:
    """Return where in an image, in pixels, the edges of rows and columns of cells lie.

    Args:
        place: Of the image: pixel (column, row) to map.
        grid: The same of the cells, parallel to it.
        rows: How many rows of cells there are.
        columns: The same.
    """
    there = ~place @ grid
    down = there.e * np.arange(rows + 1) + there.f
    across = there.a * np.arange(columns + 1) + there.c
    return _settled(down), _settled(across)


def _settled(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    near = np.rint(positions)
    return np.where(abs(positions - near) < _ALIGNED, near, positions)


def means(
    values: NDArray[Any], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return means weighted by area, shape (rows - 1, columns - 1).

    Args:
        values: Shape (height, width).
        rows: Edges of rows of cells in pixels, all within the values.
        columns: The same of columns.
    """
    return _along_rows(_along_rows(values, rows).T, columns).T


def _along_rows(values: NDArray[Any], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    if positions[0] > positions[-1]:
        return _along_rows(values, positions[::-1])[::-1]
    whole = np.floor(positions).astype(np.int64)
    begun = values[np.minimum(whole, len(values) - 1)]
    parts = (positions - whole)[:, np.newaxis] * begun
    begins = np.diff(whole) > 0  # others begin and end in one pixel
    sums = np.zeros((len(begins), values.shape[1]))
    if begins.any():
        sums[begins] = np.add.reduceat(
            values[: whole[-1]], whole[:-1][begins], axis=0, dtype=_sum_type(values)
        )
    averages: NDArray[np.float64] = sums + np.diff(parts, axis=0)
    return averages / np.diff(positions)[:, np.newaxis]


def _sum_type(values: NDArray[Any]) -> type[np.generic]:
    """Return what holds sums of a column: whole numbers are added several times as fast."""
    if values.dtype.itemsize * len(values) < 1 << 24 and values.dtype.kind in "bu":
        return np.uint32 if values.dtype.itemsize == 1 else np.uint64
    return np.float64
