"""NoData values that a file does not declare."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..catalog.errors import ItemError
from .image import Image, RasterArray, Window
from .raster import differs
from .view import View


@runtime_checkable
class HasMembers(Protocol):
    """An image made of others, of which each marks its own pixels."""

    def marked(self, values: tuple[float, ...]) -> Image:
        """Return the image with pixels of these values NoData in what it is made of."""
        ...


def with_nodata(image: Image, values: tuple[float, ...]) -> Image:
    """Return an image of which pixels with these values are NoData too.

    Args:
        image: An open image.
        values: One for all bands, or one per band; the image itself is returned for none.

    Raises:
        ItemError: So many bands it does not have.
    """
    if not values:
        return image
    if len(values) not in (1, image.bands):
        raise ItemError(f"has {image.bands} band(s), --nodata has {len(values)} values")
    if isinstance(image, HasMembers):
        return image.marked(values)
    return _Marked(image, values if len(values) > 1 else values * image.bands)


class _Marked(View):
    def __init__(self, image: Image, values: tuple[float, ...]) -> None:
        super().__init__(image)
        self._values = values

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window; a pixel is invalid where each of the bands has its value."""
        raster = self._image.read(window, bands)
        known: NDArray[np.bool_] = np.logical_or.reduce(
            [
                differs(values, self._values[band])
                for values, band in zip(raster.data, bands, strict=True)
            ]
        )
        valid = raster.valid & known
        data = np.where(valid, raster.data, raster.data.dtype.type(0))
        return RasterArray(data=data, valid=valid, transform=raster.transform, crs=raster.crs)
