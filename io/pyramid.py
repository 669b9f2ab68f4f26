"""A raster and its overviews, written together from top to bottom.

GDAL makes overviews from a finished raster. At the end of a large one nothing else is left to
do meanwhile; here they are ready with the last row, and GDAL copies them.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import SubElement, tostring

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.windows import Window

from .georeference import unplaced
from .publish import discard, temporary_name
from .safe_xml import parse_xml

BLOCK = 512


Halving = Callable[[NDArray[Any], Any], NDArray[Any]]
"""From a band (height, width) and its NoData value to the overview of half its size."""


def halved(values: NDArray[Any], nodata: int) -> NDArray[Any]:
    """Return the most frequent value of each 2 x 2 pixels; of several the first, row by row.

    Args:
        values: Shape (height, width).
        nodata: Chosen only where there is nothing else.

    Returns:
        Shape (height / 2, width / 2), both rounded up.
    """
    a, b, c, d = _quarters(values, nodata)
    answer = d.copy()
    for value in (c, b, a):
        np.copyto(answer, value, where=value != nodata)
    np.copyto(answer, c, where=(c == d) & (c != nodata))
    np.copyto(answer, b, where=((b == c) | (b == d)) & (b != nodata))
    np.copyto(answer, a, where=((a == b) | (a == c) | (a == d)) & (a != nodata))
    return answer


def averaged(values: NDArray[Any], nodata: float) -> NDArray[Any]:
    """Return the mean of each 2 x 2 pixels, rounded where values are whole numbers.

    Args:
        values: Shape (height, width).
        nodata: Counts nowhere; the mean only where there is nothing else. May be NaN.

    Returns:
        Shape (height / 2, width / 2), both rounded up.
    """
    count: Any = np.float32(0)
    total: Any = np.float32(0)
    for quarter in _quarters(values, nodata):
        known = ~np.isnan(quarter) if np.isnan(nodata) else quarter != nodata
        count = count + known.astype(np.float32)
        total = total + np.where(known, quarter, 0).astype(np.float32)
    mean = total / np.maximum(count, 1)
    if values.dtype.kind != "f":
        mean = np.rint(mean)
    return np.where(count > 0, mean, nodata).astype(values.dtype)


def _quarters(values: NDArray[Any], nodata: float) -> list[NDArray[Any]]:
    """Return the four pixels of each 2 x 2, row by row; NoData beyond the border."""
    height, width = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2)), constant_values=nodata)
    quarters = (even[row::2, column::2] for row in (0, 1) for column in (0, 1))
    return [np.ascontiguousarray(quarter) for quarter in quarters]


class Pyramid:
    """Draft files of a raster and of its overviews."""

    def __init__(self, path: Path, profile: dict[str, Any], halve: Halving = halved) -> None:
        """Start the files.

        Args:
            path: What is to become of them; they lie beside it under temporary names.
            profile: Of the raster, for ``rasterio.open``; with ``nodata``.
            halve: How an overview is made of the next larger one.

        Raises:
            RasterioError: A file cannot be made.
        """
        self._levels: list[_Level] = []
        try:
            for height, width in _sizes(profile["height"], profile["width"]):
                part = {**profile, "height": height, "width": width}
                if self._levels:
                    part |= {"transform": None, "crs": None}
                self._levels.append(_Level(temporary_name(path), part, halve))
        except BaseException:
            self.remove()
            raise

    @property
    def full(self) -> Any:
        """The open dataset of the raster itself."""
        return self._levels[0].dataset

    def write(self, rows: NDArray[Any]) -> None:
        """Add the next rows, shape (bands, rows, width).

        Raises:
            RasterioError: The disk refused.
        """
        for start in range(0, rows.shape[1], BLOCK):  # so that copies stay small
            part = rows[:, start : start + BLOCK]
            for level in self._levels:
                part = level.write(part)

    def copy(self, path: Path, statistics: Mapping[str, str], **options: Any) -> None:
        """Write the finished raster with its overviews as another file.

        Args:
            path: The file.
            statistics: Of the first band, as GDAL names them.
            options: For ``rasterio.shutil.copy``.

        Raises:
            RasterioError: The disk refused.
        """
        for level in self._levels:
            level.dataset.close()
        with MemoryFile(self._as_vrt(statistics), ext=".vrt") as memory, unplaced():
            rasterio.shutil.copy(memory.name, path, **options)

    def _as_vrt(self, statistics: Mapping[str, str]) -> bytes:
        """Return a virtual raster that says where the overviews are."""
        with MemoryFile(ext=".vrt") as memory, unplaced():
            rasterio.shutil.copy(self._levels[0].path, memory.name, driver="VRT")
            root = parse_xml(memory.read())
        for number, band in enumerate(root.findall("VRTRasterBand"), 1):
            for level in self._levels[1:]:
                overview = SubElement(band, "Overview")
                SubElement(overview, "SourceFilename", relativeToVRT="0").text = str(level.path)
                SubElement(overview, "SourceBand").text = str(number)
            if number == 1 and statistics:
                metadata = SubElement(band, "Metadata")
                for name, text in statistics.items():
                    SubElement(metadata, "MDI", key=name).text = text
        return tostring(root)

    def remove(self) -> None:
        """Remove the files."""
        for level in self._levels:
            level.dataset.close()
            discard(level.path)


class _Level:
    """One file, written in whole rows of blocks so that no block is compressed twice."""

    def __init__(self, path: Path, profile: dict[str, Any], halve: Halving) -> None:
        self.path = path
        self._halve = halve
        self._nodata: float = profile["nodata"]
        self._height: int = profile["height"]
        self._written = 0
        self._waiting: list[NDArray[Any]] = []
        self._odd: NDArray[Any] | None = None
        """A row whose other half, for the overview, is still to come."""
        with unplaced():
            self.dataset = rasterio.open(path, "w", **profile)

    def write(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Add rows and return what they are in the next overview."""
        self._waiting.append(rows)
        waiting = sum(each.shape[1] for each in self._waiting)
        is_last = self._written + waiting == self._height
        self._flush(waiting if is_last else waiting // BLOCK * BLOCK)
        if self._odd is not None:
            rows = np.concatenate([self._odd, rows], axis=1)
        count = rows.shape[1]
        even = count if is_last else count // 2 * 2
        self._odd = rows[:, even:] if even < count else None
        return np.stack([self._halve(band[:even], self._nodata) for band in rows])

    def _flush(self, count: int) -> None:
        if not count:
            return
        first, *others = self._waiting
        rows = np.concatenate(self._waiting, axis=1) if others else first
        self._waiting = [rows[:, count:].copy()] if count < rows.shape[1] else []
        area = Window(0, self._written, rows.shape[2], count)
        self.dataset.write(rows[:, :count], window=area)
        self._written += count


def _sizes(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield the raster's size and those of its overviews, down to a single block."""
    yield height, width
    while max(height, width) > BLOCK:
        height, width = (height + 1) // 2, (width + 1) // 2
        yield height, width
