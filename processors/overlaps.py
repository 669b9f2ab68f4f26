"""Class rasters that lie over each other: which pixels count, so that none counts twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from ..io.class_raster_in import read_classes
from ..io.class_tiles import ClassTile
from ..io.image import Window, overlap

_ON_GRID = 1e-3
"""Of a pixel: how far corners may lie from those of another raster on the same grid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """A class raster over or under another one, pixel on pixel."""

    tile: ClassTile
    row: int
    column: int
    """Of its first pixel in the other raster."""
    is_above: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlaps:
    """Which class rasters lie over each other."""

    neighbours: Sequence[Sequence[Neighbour]]
    """Of each raster, those on the same grid."""
    others: Sequence[tuple[int, int]]
    """Pairs on different grids: where they lie over each other both count."""


def find_overlaps(tiles: Sequence[ClassTile]) -> Overlaps:
    """Return which class rasters lie over each other; later ones are above earlier ones."""
    known = [(n, tile.footprint()) for n, tile in enumerate(tiles)]
    numbers = [n for n, outline in known if outline is not None]
    outlines = shapely.from_wkb([outline for _, outline in known if outline is not None])
    found: list[list[Neighbour]] = [[] for _ in tiles]
    others = []
    for first, second in shapely.STRtree(outlines).query(outlines, predicate="intersects").T:
        one, other = numbers[first], numbers[second]
        if one >= other:
            continue
        place = _place(tiles[one], tiles[other])
        if place is None:
            if _is_real(outlines[first], outlines[second]):
                others.append((one, other))
            continue
        row, column = place
        up, down = tiles[one], tiles[other]
        if overlap(Window(0, 0, up.height, up.width), Window(row, column, down.height, down.width)):
            found[one].append(Neighbour(tile=down, row=row, column=column, is_above=True))
            found[other].append(Neighbour(tile=up, row=-row, column=-column, is_above=False))
    return Overlaps(neighbours=found, others=others)


def _place(tile: ClassTile, other: ClassTile) -> tuple[int, int] | None:
    """Return row and column of another raster's first pixel, None where its grid is another."""
    same = np.allclose(tile.transform[:2] + tile.transform[3:5],
                       other.transform[:2] + other.transform[3:5], rtol=1e-9, atol=0)  # fmt: skip
    if tile.srs != other.srs or not same:
        return None
    column, row = ~tile.transform @ (other.transform.c, other.transform.f)
    if max(abs(column - round(column)), abs(row - round(row))) > _ON_GRID:
        return None
    return round(row), round(column)


def _is_real(one: Any, other: Any) -> bool:
    """Return whether outlines share more than a border."""
    shared = shapely.intersection(one, other).area
    return bool(shared > 1e-3 * min(one.area, other.area))


def hidden(
    neighbours: Sequence[Neighbour], window: Window, valid: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which pixels of a window count in another raster.

    That is where one above has a class, and for pixels without one where any other has, or one
    above has none either.

    Args:
        neighbours: Of the raster.
        window: The part of it.
        valid: Its pixels with a class, shape (height, width).
    """
    result = np.zeros(valid.shape, np.bool_)
    for each in neighbours:
        shared = overlap(window, Window(each.row, each.column, each.tile.height, each.tile.width))
        if shared is None:
            continue
        there = shared._replace(row=shared.row - each.row, column=shared.column - each.column)
        classes, nodata = read_classes(each.tile.path, there)
        top, left = shared.row - window.row, shared.column - window.column
        part = np.s_[top : top + shared.height, left : left + shared.width]
        if each.is_above:
            result[part] |= (classes != nodata) | ~valid[part]
        else:
            result[part] |= (classes != nodata) & ~valid[part]
    return result
