"""A raster dataset of a file geodatabase as an image: blocks are read where a window asks."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from ..catalog.errors import ItemError
from .content import measured
from .geodatabase_tables import BANDS, BLOCKS, RasterTable, describe_raster, read_rows, table_file
from .image import Image, RasterArray, Window, overlap, working_dtype
from .zipped_geodatabase import gdal_path

_AT_ONCE = 256
"""Blocks of one question to a table."""
_COLUMNS = ["rasterband_id", "row_nbr", "col_nbr", "block_data", "block_key"]
"""The last one is not used here; GDAL filters by columns that are read only."""


class GeodatabaseRaster:
    """How to get at such a raster."""

    def __init__(self, path: Path, name: str) -> None:
        """Take the geodatabase, a folder or zipped, and the name of the raster."""
        self._path = path
        self._name = name

    def open(self) -> Image:
        """Open it; no pixels are read.

        Raises:
            ItemError: It is gone, damaged, or of a kind that is not read.
        """
        if not self._path.exists():
            raise ItemError(f"{self._path} is gone")
        uri = gdal_path(self._path)
        return _OpenRaster(uri, self._name, describe_raster(uri, self._name))

    def content(self) -> tuple[int | None, str]:
        """Return the bytes of its tables, and a hash of them; of all of an archive.

        Raises:
            ItemError: It cannot be read.
        """
        files = [self._path]
        if self._path.is_dir():
            files = [table_file(self._path, prefix + self._name) for prefix in (BANDS, BLOCKS)]
        found = [measured(file) for file in files]
        text = " ".join((self._name, *(digest for _, digest in found)))
        return sum(size or 0 for size, _ in found), hashlib.sha256(text.encode()).hexdigest()


class _OpenRaster:
    """Such a raster, open: what its tables say; GDAL opens them anew for each window."""

    def __init__(self, uri: str, name: str, table: RasterTable) -> None:
        self.width, self.height = table.width, table.height
        self.bands = len(table.bands)
        self.dtype = working_dtype(table.blocks.dtype.name)
        self.band_names = table.band_names
        self.orientation: int | None = None
        self.taken_at: str | None = None
        self.position: tuple[float, float] | None = None
        self.direction: float | None = None
        self.transform = table.transform
        self.crs = table.crs
        self._uri, self._name, self._table = uri, name, table

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the bands with these 0-based indexes.

        A pixel is invalid where no band that was asked for has data, or one is not finite.

        Raises:
            ItemError: A block of it is damaged.
        """
        shape = len(bands), window.height, window.width
        data, has_data = np.zeros(shape, self.dtype), np.zeros(shape, np.bool_)
        positions = {self._table.bands[band]: index for index, band in enumerate(bands)}
        for keys in self._asked(window, bands):
            where = f"block_key IN ({', '.join(keys)})"
            _, found = read_rows(self._uri, BLOCKS + self._name, _COLUMNS, where)
            for band, row, column, stored, _ in zip(
                *(found[each] for each in _COLUMNS), strict=True
            ):
                index = positions.get(int(band))
                if stored is not None and index is not None:
                    self._paste(stored, int(row), int(column), window, data[index], has_data[index])
        return self._whole(data, has_data, window)

    def _asked(self, window: Window, bands: tuple[int, ...]) -> Iterator[list[str]]:
        """Yield the keys of all blocks that a window touches, so many at a time.

        A key is band, pyramid level (0 is full resolution), row and column as hexadecimal
        digits; the geodatabase has an index of keys, so that no other block is read.
        """
        rows, columns = self._blocks_below(window)
        numbers = [
            (self._table.bands[band], row, column)
            for row in rows for column in columns for band in bands
        ]  # fmt: skip
        for start in range(0, len(numbers), _AT_ONCE):
            yield [_key(*each) for each in numbers[start : start + _AT_ONCE]]

    def _blocks_below(self, window: Window) -> tuple[range, range]:
        top, left = window.row + self._table.first[0], window.column + self._table.first[1]
        blocks = self._table.blocks
        bottom, right = top + window.height - 1, left + window.width - 1
        return (
            range(top // blocks.height, bottom // blocks.height + 1),
            range(left // blocks.width, right // blocks.width + 1),
        )

    def _paste(
        self,
        stored: bytes,
        row: int,
        column: int,
        window: Window,
        data: NDArray[np.generic],
        has_data: NDArray[np.bool_],
    ) -> None:
        """Put what a block and a window have in common into one band of the window."""
        blocks, first = self._table.blocks, self._table.first
        top, left = row * blocks.height - first[0], column * blocks.width - first[1]
        common = overlap(Window(top, left, blocks.height, blocks.width), window)
        if common is None:
            return
        try:
            block = blocks.decode(stored)
        except ItemError as error:
            raise ItemError(f"block of row {row}, column {column}: {error}") from error
        here, there = _slices(common, window.row, window.column), _slices(common, top, left)
        with np.errstate(over="ignore", invalid="ignore"):
            data[here] = block.pixels[there]
        has_data[here] = block.valid[there]

    def _whole(
        self, data: NDArray[np.generic], has_data: NDArray[np.bool_], window: Window
    ) -> RasterArray:
        valid: NDArray[np.bool_] = np.logical_or.reduce(has_data)
        if data.dtype.kind == "f":
            valid &= np.logical_and.reduce(np.isfinite(data) | ~has_data)
        np.copyto(data, 0, where=~(has_data & valid))
        place = self.transform and self.transform @ Affine.translation(window.column, window.row)
        return RasterArray(data=data, valid=valid, transform=place, crs=self.crs)


def _key(band: int, row: int, column: int) -> str:
    return f"'0000{band:04X}00{_hexadecimal(row)}{_hexadecimal(column)}'"


def _hexadecimal(number: int) -> str:
    return f"{'-' if number < 0 else ''}{abs(number):04X}"


def _slices(inner: Window, row: int, column: int) -> tuple[slice, slice]:
    """Return where a window lies in an array that begins at this row and column."""
    top, left = inner.row - row, inner.column - column
    return slice(top, top + inner.height), slice(left, left + inner.width)
