"""Class rasters as polygons that share their borders, node by node."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes, sieve
from rasterio.windows import Window

from ..catalog.errors import OutputError, UsageError
from .georeference import unplaced
from .nodes import Rings, with_nodes, with_steps
from .raster import GDAL_ERRORS, LOCAL
from .srs import PixelArea, pixel_area

_ROWS = 512
_CORNERS = 6
"""For each polygon that there may be: beyond, their borders do not fit into memory."""
_PASSES = 20


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClassPolygons:
    """Polygons of classes, without overlaps and gaps."""

    shapes: NDArray[Any]
    """In the reference system of the raster."""
    classes: NDArray[np.int64]
    """Place of each one's class in the list of values."""
    pixels: NDArray[np.int64]
    area_m2: NDArray[np.float64] | None
    """None where the raster has no ground scale."""
    crs: str
    """WKT."""


class ClassGrid:
    """The classes of a raster in files of a folder, which the system pages in and out.

    Two or three bytes a pixel, so that memory grows with the polygons alone.
    """

    def __init__(self, raster: Path, values: Sequence[int], folder: Path) -> None:
        """Read a raster.

        Args:
            raster: A class raster, or a virtual one of several.
            values: Of the classes, in rising order.
            folder: An empty one for working files.

        Raises:
            OutputError: It cannot be read, or has values that are no class; the disk is full.
        """
        self._folder = folder
        try:
            with rasterio.Env(**LOCAL), unplaced():
                dataset = rasterio.open(raster)
            with rasterio.Env(**LOCAL), dataset:
                self.transform: Affine = dataset.transform
                self.crs = str(dataset.crs.to_wkt())
                self.size = (dataset.height, dataset.width)
                small = np.uint8 if len(values) <= 255 else np.uint16
                self._classes = self._file("classes", small)
                self._mask = self._file("mask", np.uint8)
                self._read(dataset, np.array(values, np.int64))
        except GDAL_ERRORS as error:
            raise OutputError(f"cannot read {raster}: {error}") from error
        except OSError as error:
            raise OutputError(f"cannot write {folder}: {error.strerror}") from error

    def _file(self, name: str, dtype: Any) -> NDArray[Any]:
        return np.memmap(self._folder / name, dtype, "w+", shape=self.size)

    def _read(self, dataset: Any, values: NDArray[np.int64]) -> None:
        height, width = self.size
        for top in range(0, height, _ROWS):
            rows = dataset.read(1, window=Window(0, top, width, min(_ROWS, height - top)))
            valid = rows != int(dataset.nodata)
            places = np.clip(np.searchsorted(values, rows), 0, len(values) - 1)
            strange = valid & (values[places] != rows)
            if strange.any():
                raise OutputError(
                    f"{dataset.name} has the value {rows[strange][0]}, which is no class of its"
                    " run; classify again"
                )
            self._classes[top : top + len(rows)] = np.where(valid, places, 0)
            self._mask[top : top + len(rows)] = valid

    @property
    def pixel_area(self) -> PixelArea | None:
        """Row → area of a pixel in m²; None where the raster has no ground scale."""
        return pixel_area(self.transform, self.crs)

    def drop_small(self, min_area: float) -> None:
        """Give areas that are too small the class of the largest that touches them.

        Areas of a few pixels first, so that small ones in a crowd grow together.

        Args:
            min_area: In m².

        Raises:
            UsageError: The raster has no ground scale.
        """
        area = self.pixel_area
        if area is None:
            raise UsageError("--min-area is in m², and the class raster has no ground scale")
        rows = {0, self.size[0] - 1, self.size[0] // 2}
        least = int(np.ceil(min_area / min(map(area, rows)) - 1e-9))
        least = min(least, self.size[0] * self.size[1])  # GDAL takes no more
        other = self._file("other", self._classes.dtype)
        steps = [2**power for power in range(1, 31) if 2**power < least]
        for size in (*steps, *[least] * _PASSES):
            sieve(self._classes, size, out=other, mask=self._mask, connectivity=4)
            same = size == least and self._is_same(other)
            self._classes, other = other, self._classes
            if same:
                return

    def _is_same(self, other: NDArray[Any]) -> bool:
        tops = range(0, self.size[0], _ROWS)
        return all(np.array_equal(self._classes[t : t + _ROWS], other[t : t + _ROWS]) for t in tops)

    def corners(self) -> int:
        """Return how many pixels differ from those left of and above them: no fewer than polygons."""
        count = 0
        for top in range(0, self.size[0], _ROWS):
            first = max(top - 1, 0)
            rows = self._classes[first : top + _ROWS].astype(np.int32)
            rows[self._mask[first : top + _ROWS] == 0] = -1
            left, above = np.ones(rows.shape, np.bool_), np.ones(rows.shape, np.bool_)
            left[:, 1:] = rows[:, 1:] != rows[:, :-1]
            above[1:] = rows[1:] != rows[:-1]
            count += int((left & above & (rows >= 0))[top - first :].sum())
        return count

    def polygons(self, most: int, *, steps: bool) -> ClassPolygons:
        """Return the areas of one class each, pixels that touch with a side.

        Args:
            most: How many there may be.
            steps: Whether long edges get points on the way, for another reference system.

        Raises:
            UsageError: There are more.
        """
        hint = "give --min-area in m², so that small areas join others, or more --max-polygons"
        corners = self.corners()
        if corners > most * _CORNERS:
            raise UsageError(
                f"the classes change from pixel to pixel: their borders have {corners} corners, which"
                f" is more than {_CORNERS} for each of {most} polygons; {hint}"
            )
        rings, classes = self._rings(most, hint)
        cells, area = self._areas(rings)
        rings = with_nodes(rings, self.size)
        if steps:
            rings = with_steps(rings)
        a, b, c, d, e, f = self.transform[:6]
        x, y = rings.points.T.astype(np.float64)
        places = np.column_stack([a * x + b * y + c, d * x + e * y + f])
        found = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, places, (rings.ring_starts, rings.polygon_starts)
        )
        return ClassPolygons(
            shapes=found, classes=classes, pixels=cells, area_m2=area, crs=self.crs
        )

    def _rings(self, most: int, hint: str) -> tuple[Rings, NDArray[np.int64]]:
        points: list[NDArray[np.int32]] = []
        ring_starts, polygon_starts = [0], [0]
        classes: list[int] = []
        for shape, place in shapes(self._classes, mask=self._mask, connectivity=4):
            if len(classes) == most:
                raise UsageError(f"there are more than {most} polygons; {hint}")
            for ring in shape["coordinates"]:
                points.append(np.array(ring, np.int32))
                ring_starts.append(ring_starts[-1] + len(ring))
            polygon_starts.append(len(ring_starts) - 1)
            classes.append(int(place))
        together = np.concatenate(points) if points else np.empty((0, 2), np.int32)
        rings = Rings(together, np.array(ring_starts), np.array(polygon_starts))
        return rings, np.array(classes, np.int64)

    def _areas(self, rings: Rings) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
        """Return pixels and m² of each polygon, by the vertical edges of its rings.

        Between two rows an edge at column x has x times the area of a pixel in each of them on
        its left; edges that go down and up again leave what lies between.
        """
        lines = np.arange(self.size[0] + 1, dtype=np.float64)
        pixels = np.abs(rings.sums(lines)).round().astype(np.int64)
        area = self.pixel_area
        if area is None:
            return pixels, None
        metres = np.array([area(row) for row in range(self.size[0])])
        return pixels, np.abs(rings.sums(np.concatenate([[0.0], np.cumsum(metres)])))
