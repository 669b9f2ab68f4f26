"""Borders of polygons on a grid: where one has a corner, all that touch there get a point."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_STEP = 64
"""Pixels between points on long edges."""


class Rings(NamedTuple):
    """The rings of polygons, whose edges run along columns and rows of a grid."""

    points: NDArray[np.int32]
    """Column and row, shape (points, 2); the last of a ring repeats its first."""
    ring_starts: NDArray[np.int64]
    """Place of the first point of each ring, and behind the last."""
    polygon_starts: NDArray[np.int64]
    """Number of the first ring of each polygon, and behind the last."""

    def sums(self, heights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return of each polygon the sum of column times difference of heights over its edges.

        Args:
            heights: Of each line between rows.
        """
        columns = self.points[:, 0].astype(np.float64)
        levels = heights[self.points[:, 1]]
        parts = np.zeros(len(columns) + 1)
        parts[1:-1] = columns[1:] * np.diff(levels)
        parts[self.ring_starts] = 0.0  # from the end of a ring to the next one
        running = np.cumsum(parts)
        firsts = self.ring_starts[self.polygon_starts]
        totals: NDArray[np.float64] = np.diff(running[firsts])
        return totals


def with_nodes(rings: Rings, size: tuple[int, int]) -> Rings:
    """Return rings that have a point wherever another one has a corner on them.

    Args:
        rings: Polygons without overlaps.
        size: Rows and columns of the grid.
    """
    across, down = size[1] + 1, size[0] + 1
    column, row = rings.points.T.astype(np.int64)
    by_row, by_column = row * across + column, across * down + column * down + row
    corners = np.concatenate([np.unique(by_row), np.unique(by_column)])
    is_flat = _edges_are_flat(rings)
    starts = np.where(is_flat, by_row, by_column)
    ends = np.where(is_flat, np.roll(by_row, -1), np.roll(by_column, -1))
    first = np.searchsorted(corners, np.minimum(starts, ends), "right")
    behind = np.searchsorted(corners, np.maximum(starts, ends), "left")
    edges, places = _spread(rings, behind - first, np.greater(ends, starts))
    keys = corners[first[edges] + places]
    upright = keys - across * down
    found = np.where(
        (upright < 0)[:, None],
        np.column_stack([keys % across, keys // across]),
        np.column_stack([upright // down, upright % down]),
    )
    return _with_points(rings, edges, found)


def with_steps(rings: Rings) -> Rings:
    """Return rings that have a point on long edges wherever a line of a coarse grid crosses them.

    Those of neighbours are the same.
    """
    is_flat = _edges_are_flat(rings)
    starts = np.where(is_flat, *rings.points.T)
    following = np.roll(rings.points, -1, axis=0)
    ends = np.where(is_flat, *following.T)
    first = np.minimum(starts, ends) // _STEP + 1
    behind = -(-np.maximum(starts, ends) // _STEP)
    edges, places = _spread(rings, behind - first, np.greater(ends, starts))
    along = _STEP * (first[edges] + places)
    found = rings.points[edges].astype(np.int64)
    found[is_flat[edges], 0] = along[is_flat[edges]]
    found[~is_flat[edges], 1] = along[~is_flat[edges]]
    return _with_points(rings, edges, found)


def _edges_are_flat(rings: Rings) -> NDArray[np.bool_]:
    """Return of each point whether the edge that begins there runs along a row."""
    rows = rings.points[:, 1]
    flat: NDArray[np.bool_] = rows == np.roll(rows, -1)
    return flat


def _spread(
    rings: Rings, counts: NDArray[np.int64], is_rising: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each new point its edge, and its number on it: from 0, or down to 0.

    Args:
        rings: What gets points.
        counts: How many the edge gets that begins at a point.
        is_rising: Whether that edge runs to higher numbers.
    """
    counts = np.maximum(counts, 0)
    counts[rings.ring_starts[1:] - 1] = 0  # no edge begins at the end of a ring
    edges = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts)
    return edges, np.where(is_rising[edges], places, counts[edges] - 1 - places)


def _with_points(rings: Rings, edges: NDArray[np.int64], found: NDArray[np.int64]) -> Rings:
    """Return rings with points put in behind the beginnings of edges, in their order."""
    added = np.zeros(len(rings.points) + 1, np.int64)
    np.add.at(added, edges + 1, 1)
    points = np.insert(rings.points, edges + 1, found.astype(np.int32), axis=0)
    before = np.cumsum(added)
    return Rings(points, rings.ring_starts + before[rings.ring_starts], rings.polygon_starts)
