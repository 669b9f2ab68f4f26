"""How much of each class lies in zones: pixels counted block by block, parts of pixels as parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from ..catalog.errors import OutputError
from ..catalog.zone_rows import InRaster
from ..io.class_raster_in import read_classes
from ..io.class_tiles import ClassTile
from ..io.coverage import Covered, coverage
from ..io.image import Window
from ..io.srs import pixel_area
from .overlaps import Neighbour, hidden

_BLOCK = 1024


class ZoneSums:
    """What lies in each zone."""

    def __init__(self, zones: int, values: Sequence[int]) -> None:
        """Count nothing yet.

        Args:
            zones: How many there are.
            values: Of the classes, in rising order.
        """
        self.values = np.array(values, np.int64)
        self.pixels = np.zeros((zones, len(values) + 1))
        """Of each zone and class; the last column counts NoData."""
        self.area_m2 = np.zeros((zones, len(values)))
        self.covered = np.zeros(zones)
        self.rasters: list[list[InRaster]] = [[] for _ in range(zones)]
        self.has_scale = True

    def add(self, raster: "ZonedRaster") -> None:
        """Count the pixels of a class raster.

        Raises:
            OutputError: It cannot be read, or has values that are no class.
        """
        count = len(self.values)
        pixels = np.zeros((len(raster.numbers), count + 1))
        area = np.zeros((len(raster.numbers), count))
        is_metric = pixel_area(raster.tile.transform, raster.tile.srs.definition) is not None
        for block in raster.blocks(self.values):
            for place, covered in block.covered:
                pixels[place] += block.pixels(covered, count)
                if is_metric:
                    area[place] += block.area(covered, count)
        self.has_scale &= is_metric
        self.pixels[raster.numbers] += pixels
        self.area_m2[raster.numbers] += area
        sizes = shapely.area(raster.shapes)
        for place, number in enumerate(raster.numbers):
            inside = pixels[place].sum()
            if inside:
                classified, nodata = float(pixels[place, :-1].sum()), float(pixels[place, -1])
                self.rasters[number].append(InRaster(raster.output_id, classified, nodata))
                self.covered[number] += inside / sizes[place]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ZonedRaster:
    """A class raster with zones over it."""

    output_id: int
    tile: ClassTile
    neighbours: Sequence[Neighbour]
    """Rasters over and under it."""
    numbers: NDArray[np.int64]
    """Of zones that may lie in it."""
    shapes: NDArray[Any]
    """Their polygons in its columns and rows."""

    def blocks(self, values: NDArray[np.int64]) -> Iterator["_Block"]:
        """Yield the blocks of the raster in which zones lie."""
        shapely.prepare(self.shapes)
        tree = shapely.STRtree(self.shapes)
        for row in range(0, self.tile.height, _BLOCK):
            for column in range(0, self.tile.width, _BLOCK):
                height = min(_BLOCK, self.tile.height - row)
                window = Window(row, column, height, min(_BLOCK, self.tile.width - column))
                box = shapely.box(column, row, column + window.width, row + height)
                near = np.sort(tree.query(box))
                if len(near):
                    yield _Block(self, window, values, near)


class _Block:
    """A window of a class raster, its pixels as numbers of classes."""

    def __init__(
        self, raster: ZonedRaster, window: Window, values: NDArray[np.int64], near: NDArray[Any]
    ) -> None:
        classes, nodata = read_classes(raster.tile.path, window)
        is_class = classes != nodata
        codes = np.clip(np.searchsorted(values, classes), 0, len(values) - 1)
        strange = is_class & (values[codes] != classes)
        if strange.any():
            raise OutputError(
                f"{raster.tile.path} has the value {classes[strange][0]}, which is no class of its"
                " run; classify again"
            )
        codes[~is_class] = len(values)
        codes[hidden(raster.neighbours, window, is_class)] = len(values) + 1
        self._codes = codes.ravel()
        self._width = window.width
        area = pixel_area(raster.tile.transform, raster.tile.srs.definition)
        rows = range(window.row, window.row + window.height)
        self._row_area = None if area is None else np.array([area(row) for row in rows])
        self._whole: dict[bool, NDArray[np.float64]] = {}
        self._near = near
        self._found = coverage(raster.shapes[near], window)

    @property
    def covered(self) -> Iterator[tuple[int, Covered]]:
        """Yield the place of each zone in the raster's list with what it covers; only once."""
        for each in self._found:
            yield int(self._near[each.number]), each

    def pixels(self, covered: Covered, count: int) -> NDArray[np.float64]:
        """Return the pixels of each class, and of NoData."""
        return self._sums(covered, count, metric=False)[: count + 1]

    def area(self, covered: Covered, count: int) -> NDArray[np.float64]:
        """Return the m² of each class."""
        return self._sums(covered, count, metric=True)[:count]

    def _sums(self, covered: Covered, count: int, *, metric: bool) -> NDArray[np.float64]:
        if covered.shares is not None:
            return self._counted(covered.cells, covered.shares, count, metric=metric)
        if metric not in self._whole:
            ones = np.ones(len(self._codes))
            self._whole[metric] = self._counted(covered.cells, ones, count, metric=metric)
        return self._whole[metric]

    def _counted(
        self, cells: Any, shares: NDArray[np.float64], count: int, *, metric: bool
    ) -> NDArray[np.float64]:
        weights = shares
        if metric and self._row_area is not None:
            rows = np.arange(len(self._codes))[cells] // self._width
            weights = shares * self._row_area[rows]
        return np.asarray(np.bincount(self._codes[cells], weights, count + 2), np.float64)
