"""Images with a palette: colours for a model that takes colours, else the numbers of its entries."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from .image import Image, RasterArray, Window
from .view import View

COLORS = ("red", "green", "blue")
Palette = NDArray[np.uint8]
"""Shape (entries, 4): red, green, blue and alpha; an entry with alpha 0 is NoData."""


def palette_in(dataset: DatasetReader) -> Palette | None:
    """Return the palette of an open raster of one band, None where it has none."""
    if dataset.count != 1 or dataset.colorinterp[0] != ColorInterp.palette:
        return None
    entries = dataset.colormap(1)
    table = np.zeros((max(entries) + 1, 4), np.uint8)
    for number, color in entries.items():
        table[number] = color
    return table


def palette_of(image: Any) -> Palette | None:
    """Return the palette of an open raster; few kinds of images have any."""
    palette: Palette | None = getattr(image, "palette", None)
    return palette


def takes_colors(bands: tuple[int | str, ...]) -> bool:
    """Return whether a model that takes these bands takes colours: more than the first band."""
    return any(
        band.lower() in COLORS if isinstance(band, str) else band in range(1, len(COLORS))
        for band in bands
    )


def with_palette(image: Image, bands: tuple[int | str, ...]) -> Image:
    """Return a raster with a palette as a model that takes these bands wants it.

    Args:
        image: An open image; itself is returned where it has no palette.
        bands: 0-based indexes or names; none for all that the file has.
    """
    palette = palette_of(image)
    if palette is None:
        return image
    if takes_colors(bands):
        return Colored(image, palette)
    return image if palette[:, 3].all() else Numbers(image, palette)


class Numbers(View):
    """A raster with a palette: numbers of entries, of which some are NoData."""

    def __init__(self, image: Image, palette: Palette) -> None:
        """Take an open raster of one band."""
        super().__init__(image)
        self._palette = palette

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the bands with these 0-based indexes."""
        raster = self._image.read(window, bands)
        valid = raster.valid & (self._entries(raster.data[0])[..., 3] != 0)
        data = np.where(valid, raster.data, raster.data.dtype.type(0))
        return RasterArray(data=data, valid=valid, transform=raster.transform, crs=raster.crs)

    def _entries(self, numbers: NDArray[Any]) -> Palette:
        """Return the entries of numbers; beyond the palette there is NoData."""
        known = numbers < len(self._palette)
        entries = self._palette.take(np.where(known, numbers, 0), axis=0)
        if not known.all():
            entries[~known] = 0
        return entries


class Colored(Numbers):
    """A raster with a palette: its colours as three bands."""

    def __init__(self, image: Image, palette: Palette) -> None:
        """Take an open raster of one band."""
        super().__init__(image, palette)
        self.bands, self.dtype, self.band_names = len(COLORS), "uint8", COLORS
        self.palette = None

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the colours with these 0-based indexes."""
        raster = self._image.read(window, (0,))
        entries = self._entries(raster.data[0])
        valid = raster.valid & (entries[..., 3] != 0)
        colors = np.moveaxis(entries[..., list(bands)], -1, 0)
        data = np.where(valid, colors, np.uint8(0))
        return RasterArray(data=data, valid=valid, transform=raster.transform, crs=raster.crs)
