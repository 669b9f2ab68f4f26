"""Reading whole rows of a raster that is stored in strips, once for all windows in them.

A strip is decoded as a whole whatever window of it is read. GDAL keeps decoded strips too, but
a row of windows of a wide raster is more than it keeps: each strip would be decoded anew for
every window.
"""

from collections.abc import Callable
from dataclasses import replace

from affine import Affine

from .image import RasterArray, Window

Read = Callable[[Window, tuple[int, ...]], RasterArray]


class RowReader:
    """Cuts windows from the rows that were read last."""

    def __init__(self, read: Read) -> None:
        """Take what reads a window: place and 0-based band indexes → pixels."""
        self._read = read
        self._kept: tuple[tuple[object, ...], RasterArray] | None = None

    def read(self, window: Window, bands: tuple[int, ...], width: int) -> RasterArray:
        """Return a window of a raster that is ``width`` pixels wide; see :meth:`Image.read`."""
        key = (window.row, window.height, bands)
        if self._kept is None or self._kept[0] != key:
            self._kept = None  # before the next rows take as much memory
            whole = Window(window.row, 0, window.height, width)
            self._kept = (key, self._read(whole, bands))
        rows = self._kept[1]
        columns = slice(window.column, window.column + window.width)
        return replace(
            rows,
            data=rows.data[:, :, columns],
            valid=rows.valid[:, columns],
            transform=rows.transform and rows.transform @ Affine.translation(window.column, 0),
        )

    def forget(self) -> None:
        """Let go of the pixels."""
        self._kept = None
