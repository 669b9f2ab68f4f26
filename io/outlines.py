"""Where outlines in any reference system lie on a grid, in pixels."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj.exceptions import ProjError

from ..catalog.errors import ItemError
from .crs import transformer
from .extent import Extent
from .grid import Grid, same_system

_EDGE_POINTS = 21
"""Along each side."""


def corners(extent: Extent, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the columns and rows of points along the sides of an extent, clockwise.

    Raises:
        ItemError: It has no place there.
    """
    columns, rows = _in_pixels(np.array([extent.bounds]), extent.crs, grid)
    if not (np.isfinite(columns).all() and np.isfinite(rows).all()):
        raise ItemError("has no place in the reference system of the mosaic")
    return columns[0], rows[0]


def pixel_boxes(outlines: Sequence[tuple[str, Extent]], grid: Grid) -> NDArray[np.float64]:
    """Return the columns and rows that outlines lie between, those of one system together.

    Args:
        outlines: Each with the name of what it is of.
        grid: The grid; rows and columns are counted from its corner.

    Returns:
        Left, top, right, bottom; shape (outlines, 4).

    Raises:
        ItemError: One has no place there; says which.
    """
    by_system: defaultdict[str | None, list[int]] = defaultdict(list)
    for number, (_, outline) in enumerate(outlines):
        by_system[outline.crs].append(number)
    boxes = np.empty((len(outlines), 4))
    for crs, numbers in by_system.items():
        bounds = np.array([outlines[number][1].bounds for number in numbers])
        try:
            columns, rows = _in_pixels(bounds, crs, grid)
        except ItemError as error:
            raise ItemError(f"member {outlines[numbers[0]][0]} {error}") from error
        boxes[numbers] = np.column_stack(
            [columns.min(axis=1), rows.min(axis=1), columns.max(axis=1), rows.max(axis=1)]
        )
    lost = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(lost):
        raise ItemError(
            f"member {outlines[lost[0]][0]} has no place in the reference system of the mosaic"
        )
    return boxes


def _in_pixels(
    bounds: NDArray[np.float64], crs: str | None, grid: Grid
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return columns and rows of points along rectangles, shape (rectangles, points).

    Raises:
        ItemError: There is no way from their reference system.
    """
    steps = np.linspace(0.0, 1.0, _EDGE_POINTS)[:-1]
    zeros, ones = np.zeros_like(steps), np.ones_like(steps)
    across = np.concatenate([steps, ones, 1 - steps, zeros])
    down = np.concatenate([zeros, steps, ones, 1 - steps])
    west, south, east, north = bounds.T[:, :, np.newaxis]
    x, y = west + across * (east - west), north + down * (south - north)
    if not same_system(crs, grid.crs):
        if crs is None or grid.crs is None:
            raise ItemError("has no reference system, and others of the mosaic have one")
        try:
            x, y = transformer(crs, grid.crs).transform(x, y)
        except ProjError as error:
            raise ItemError("has a reference system without a way to that of the mosaic") from error
    a, b, c, d, e, f = (~grid.transform)[:6]
    return a * x + b * y + c, d * x + e * y + f
