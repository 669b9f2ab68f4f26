"""Images on another grid: resampled while they are read, as far as the loop asks for them."""

import math
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from ..catalog.errors import ItemError, first_line
from . import srs
from .averages import edges, is_parallel, means
from .crs import transformer
from .extent import bounds_of
from .grid import Grid, same_system
from .image import Image, RasterArray, Window, overlap
from .raster import GDAL_ERRORS
from .view import View

_MOST = 1 << 23
"""Pixels of the source that are resampled at a time."""
_MOST_FOR_ONE = 1 << 25
"""The same where only one pixel is made of them."""
_MORE = 3
"""Pixels beyond the image, at least, where a window reaches its border."""
_POINTS = 21
"""Along each side of a window, to find what of the source lies below it."""
SAME_EVERYWHERE: dict[str, Any] = {"tolerance": 1e-9, "XSCALE": 1, "YSCALE": 1}
"""GDAL would else approximate positions, and choose a scale, window by window."""
_ANY = "EPSG:3857"
"""Stands for an unknown reference system, which is the same on both sides."""


def on_grid(image: Image, grid: Grid) -> Image:
    """Return an image on a grid: averaged where its pixels are smaller, else bilinear."""
    if grid.is_of(image) or image.transform is None:
        return image
    return Warped(image, grid, Resampling.average if grid.is_coarser else Resampling.bilinear)


class Warped(View):
    """An image on another grid.

    A pixel is valid where at least half of what it is made of is, by weight; pixels of the
    source that are not valid count for nothing else.
    """

    def __init__(self, image: Image, grid: Grid, method: Resampling) -> None:
        """Take an open image with a place on the ground; nothing is read yet."""
        super().__init__(image)
        if image.transform is None:
            raise ValueError("an image without a place on the ground cannot be warped")
        self._place = image.transform
        self.width, self.height = grid.width, grid.height
        self.transform, self._grid = grid.transform, grid.transform
        self.crs = grid.crs
        self._method = method
        same = same_system(image.crs, grid.crs)
        self._systems = (_ANY, _ANY) if same else (image.crs, grid.crs)
        self._is_summed = (
            same and method == Resampling.average and is_parallel(self._place, self._grid)
        )
        """Whether means are taken without GDAL, several times as fast."""
        self._circle = None if image.crs is None else srs.circle(image.crs)
        west, _, east, _ = bounds_of(image.transform, image.width, image.height)
        self._middle = (west + east) / 2
        self._back = None if same else transformer(str(grid.crs), str(image.crs))

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the bands with these 0-based indexes.

        Raises:
            ItemError: The file is cut off or damaged.
        """
        data = np.zeros((len(bands), window.height, window.width), self.dtype)
        valid = np.zeros((window.height, window.width), np.bool_)
        try:
            self._fill(window, bands, data, valid)
        except GDAL_ERRORS as error:
            raise ItemError(f"cannot be resampled: {first_line(error)}") from error
        place = self._grid @ Affine.translation(window.column, window.row)
        return RasterArray(data=data, valid=valid, transform=place, crs=self.crs)

    def _fill(
        self, window: Window, bands: tuple[int, ...], data: NDArray[Any], valid: NDArray[np.bool_]
    ) -> None:
        """Resample into arrays, a half at a time where the source is too large."""
        source = self._below(window)
        whole = Window(0, 0, self._image.height, self._image.width)
        inside = None if source is None else overlap(source, whole)
        if source is None or inside is None:
            return
        pixels, is_one = source.height * source.width, window.height * window.width == 1
        if is_one and pixels > _MOST_FOR_ONE:
            raise ItemError(f"has {pixels} pixels below one of --cell-size; give a smaller one")
        if pixels > _MOST and not is_one:
            for half, place in _halves(window):
                self._fill(half, bands, data[(slice(None), *place)], valid[place])
            return
        raster = self._image.read(inside, bands)
        beyond = _beyond(source, inside)
        share, known = self._known(raster.valid, beyond, source, window)
        valid[:] = share >= 0.5
        known = np.where(valid, known, 1)
        for band, values in enumerate(raster.data):  # invalid pixels are 0 and weigh nothing
            mean = self._resampled(np.pad(values, beyond), source, window) / known
            data[band] = np.where(valid, _as(mean, data.dtype), 0)

    def _known(
        self,
        valid: NDArray[np.bool_],
        beyond: tuple[tuple[int, int], tuple[int, int]],
        source: Window,
        window: Window,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how much is valid of what pixels are made of, in the image and at all."""
        there = known = np.ones((window.height, window.width))
        is_counted = np.any(beyond) or len(self._turns(source)) > 1
        if is_counted:
            there = known = self._resampled(np.pad(np.ones_like(valid), beyond), source, window)
        if not valid.all():
            known = self._resampled(np.pad(valid, beyond), source, window)
        share = known / np.where(there > 0, there, 1)
        return (share * self._are_inside(window) if np.any(beyond) else share), known

    def _below(self, window: Window) -> Window | None:
        """Return the pixels of the source that a window is made of, some more at each side.

        Beyond the image too: GDAL gives nothing for a pixel that reaches far beyond what it has.
        """
        columns, rows = self._in_source(
            np.linspace(window.column, window.column + window.width, _POINTS),
            np.linspace(window.row, window.row + window.height, _POINTS),
        )
        if not np.isfinite(columns).any():
            return None
        top, bottom = _span(rows, window.height)
        left, right = _span(columns, window.width)
        if self._is_half_round(right - left):  # there may be a jump between two of the points
            left, right = min(left, -_MORE), max(right, self._image.width + _MORE)
        return Window(top, left, bottom - top, right - left)

    def _is_half_round(self, columns: int) -> bool:
        """Return whether so many columns of the source are half the globe or more."""
        step = math.hypot(self._place.a, self._place.d)
        return self._back is not None and columns * step > (self._circle or math.inf) / 2

    def _are_inside(self, window: Window) -> NDArray[np.bool_]:
        """Return which pixels of a window have their centre in the image."""
        columns, rows = self._in_source(
            window.column + np.arange(window.width) + 0.5,
            window.row + np.arange(window.height) + 0.5,
        )
        across = (columns >= 0) & (columns < self._image.width)
        return np.asarray(across & (rows >= 0) & (rows < self._image.height))

    def _in_source(
        self, columns: NDArray[Any], rows: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return where in the image, in pixels, each row and column of the grid lies."""
        x, y = _at(self._grid, *np.meshgrid(columns, rows))
        if self._back is not None:
            x, y = self._back.transform(x, y)
            if self._circle is not None:  # as GDAL does it: half the globe to both sides
                x = x - np.round((x - self._middle) / self._circle) * self._circle
        return _at(~self._place, x, y)

    def _resampled(
        self, values: NDArray[Any], source: Window, window: Window
    ) -> NDArray[np.float64]:
        """Return a band of the source, in float64, on the pixels of a window; 0 beyond it."""
        place = self._place @ Affine.translation(source.column, source.row)
        grid = self._grid @ Affine.translation(window.column, window.row)
        if self._is_summed:
            return means(values, *edges(place, grid, window.height, window.width))
        first, *others = (
            self._warped(values, Affine.translation(-turn, 0) @ place, grid, window)
            for turn in self._turns(source)
        )
        return sum(others, start=first)

    def _turns(self, source: Window) -> list[float]:
        """Return by how much pixels of the source lie beyond the longitudes that GDAL knows.

        Several where they lie on both sides of the 180th meridian.
        """
        if self._back is None or self._circle is None:
            return [0.0]
        place = self._place @ Affine.translation(source.column, source.row)
        west, _, east, _ = bounds_of(place, source.width, source.height)
        first, last = round(west / self._circle), round(east / self._circle)
        return [turn * self._circle for turn in range(first, last + 1)]

    def _warped(
        self, values: NDArray[Any], place: Affine, grid: Affine, window: Window
    ) -> NDArray[np.float64]:
        """Return a band that lies at a place on the pixels of a window, by GDAL; 0 beyond it."""
        height, width = values.shape
        profile = {
            "driver": "GTiff",
            "width": width,
            "height": height,
            "count": 1,
            "dtype": "float64",
            "transform": place,
            "crs": self._systems[0],
        }
        with MemoryFile() as memory:
            with memory.open(**profile) as plane:
                plane.write(values.astype(np.float64), 1)
            with (
                memory.open() as plane,
                WarpedVRT(
                    plane,
                    crs=self._systems[1],
                    transform=grid,
                    width=window.width,
                    height=window.height,
                    resampling=self._method,
                    **SAME_EVERYWHERE,
                ) as warped,
            ):
                return np.asarray(warped.read(1), np.float64)


def _halves(window: Window) -> list[tuple[Window, tuple[slice, slice]]]:
    """Return the halves of a window, and where they lie in its arrays."""
    row, column, height, width = window
    whole = slice(None)
    if height >= width:
        cut = height // 2
        return [
            (Window(row, column, cut, width), (slice(cut), whole)),
            (Window(row + cut, column, height - cut, width), (slice(cut, None), whole)),
        ]
    cut = width // 2
    return [
        (Window(row, column, height, cut), (whole, slice(cut))),
        (Window(row, column + cut, height, width - cut), (whole, slice(cut, None))),
    ]


def _beyond(window: Window, inside: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return by how many pixels a window is larger than a part of it, at each side."""
    top, left = inside.row - window.row, inside.column - window.column
    bottom = window.height - inside.height - top
    return (top, bottom), (left, window.width - inside.width - left)


def _at(
    place: Affine, columns: NDArray[Any], rows: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    a, b, c, d, e, f = place[:6]
    return a * columns + b * rows + c, d * columns + e * rows + f


def _span(positions: NDArray[Any], pixels: int) -> tuple[int, int]:
    known = positions[np.isfinite(positions)]
    low, high = float(known.min()), float(known.max())
    more = 2 + 2 * (high - low) / pixels + 0.02 * (high - low)
    return math.floor(low - more), math.ceil(high + more)


def _as(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    nearly = np.round(values, 6)  # so that halves go up wherever a window begins
    return np.floor(nearly + 0.5).clip(limits.min, limits.max).astype(dtype)
