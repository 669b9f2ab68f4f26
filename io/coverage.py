"""Which share of each pixel polygons cover, exactly: through the library exactextract."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.feature import Feature, FeatureSource
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray

from .image import Window


class Covered(NamedTuple):
    """The pixels of a window that a polygon covers, some of them in part."""

    number: int
    """Of the polygon."""
    cells: NDArray[np.int64] | slice
    """Places in the window, row by row."""
    shares: NDArray[np.float64] | None
    """Of each of these pixels, 0 to 1; None where all are covered whole."""


def coverage(shapes: NDArray[Any], window: Window) -> Iterator[Covered]:
    """Yield what polygons cover of a window.

    Args:
        shapes: Polygons in columns and rows of the raster.
        window: The part of it.
    """
    box = shapely.box(
        window.column, window.row, window.column + window.width, window.row + window.height
    )
    whole = shapely.covers(shapes, box)
    for number in np.flatnonzero(whole).tolist():
        yield Covered(number, slice(None), None)
    parts = np.flatnonzero(~whole)
    if not len(parts):
        return
    upright = shapely.transform(shapes[parts], lambda x, y: (x, -y), interleaved=False)
    found = exact_extract(_Grid(window), _Shapes(shapely.to_wkb(upright)), ["cell_id", "coverage"])
    for number, each in zip(parts.tolist(), found, strict=True):
        cells, shares = each["properties"]["cell_id"], each["properties"]["coverage"]
        if len(cells):
            yield Covered(number, cells, shares)


class _Grid(NumPyRasterSource):  # type: ignore[misc]
    """A window without values; rows count downwards, and the library's y upwards."""

    def __init__(self, window: Window) -> None:
        right, bottom = window.column + window.width, window.row + window.height
        blank = np.broadcast_to(np.uint8(0), (window.height, window.width))
        super().__init__(blank, window.column, -bottom, right, -window.row)


class _Shapes(FeatureSource):  # type: ignore[misc]
    """Polygons as WKB, as the library takes them."""

    def __init__(self, shapes: Sequence[bytes]) -> None:
        super().__init__()
        self._shapes = shapes

    def __iter__(self) -> Iterator["_Shape"]:
        return map(_Shape, self._shapes)

    def count(self) -> int:
        return len(self._shapes)

    def srs_wkt(self) -> None:
        return None


class _Shape(Feature):  # type: ignore[misc]
    def __init__(self, wkb: bytes) -> None:
        super().__init__()
        self._wkb = wkb

    def geometry(self) -> bytes:
        return self._wkb
