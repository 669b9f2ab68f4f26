"""Photos at the scale that a model was trained on."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from PIL import Image as Pillow

from .image import Image, RasterArray, Window
from .limits import check_size


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoScale:
    """How large a photo is fed to a model; images with a place on the ground are left alone."""

    factor: float | None = None
    """Of width and height; 0.5 halves both."""
    longest: int | None = None
    """Pixels of the longer side, whatever the photo has; goes over the factor."""
    keep_size: bool = True
    """Whether the class map has the size of the photo; else that of what was fed."""

    def of(self, image: Image) -> Image:
        """Return the image at this scale, or itself where nothing changes."""
        width, height = self.fed(image.width, image.height)
        if (width, height) == (image.width, image.height) or image.transform is not None:
            return image
        return Resized(image, width, height)

    def fed(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height at which a photo of this size is fed to the model."""
        factor = self.factor or 1.0
        if self.longest is not None:
            factor = self.longest / max(width, height)
        return max(1, round(width * factor)), max(1, round(height * factor))


class Resized:
    """A photo at another size: averaged over areas where smaller, else bilinear."""

    def __init__(self, image: Image, width: int, height: int) -> None:
        """Take an open image; nothing is decoded yet.

        Raises:
            ItemError: Too large.
        """
        check_size(width, height)
        self.width, self.height = width, height
        self.bands, self.dtype, self.band_names = image.bands, image.dtype, image.band_names
        self.orientation, self.taken_at = image.orientation, image.taken_at
        self.position, self.direction = image.position, image.direction
        self.transform: Affine | None = None
        self.crs = image.crs
        self._image = image
        self._resized: tuple[NDArray[Any], NDArray[np.bool_]] | None = None

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the bands with these 0-based indexes."""
        if self._resized is None:
            self._resized = self._resize()
        data, valid = self._resized
        part = (
            slice(window.row, window.row + window.height),
            slice(window.column, window.column + window.width),
        )
        return RasterArray(
            data=data[(list(bands), *part)], valid=valid[part], transform=None, crs=self.crs
        )

    def __enter__(self) -> Self:
        """Return the image itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget the pixels; who opened the photo closes it."""
        self._resized = None

    def _resize(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        whole = Window(0, 0, self._image.height, self._image.width)
        raster = self._image.read(whole, tuple(range(self.bands)))
        if raster.data.dtype == np.uint8 and self.bands in (1, 3) and raster.valid.all():
            return self._resize_bytes(raster.data)
        share = self._plane(raster.valid.astype(np.float32))
        valid = share >= 0.5
        known = np.where(valid, share, 1).astype(np.float32)
        data = np.empty((self.bands, self.height, self.width), raster.data.dtype)
        for band, values in enumerate(raster.data):  # invalid pixels are 0 and weigh nothing
            mean = self._plane(values.astype(np.float32)) / known
            data[band] = np.where(valid, _as(mean, data.dtype), 0)
        return data, valid

    def _resize_bytes(self, data: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Resize all bands at once: what most photos are takes a sixth of the time."""
        pixels = np.moveaxis(data, 0, -1)
        small = np.asarray(self._shrunk(pixels[..., 0] if self.bands == 1 else pixels))
        small = small.reshape(self.height, self.width, self.bands)
        return np.moveaxis(small, -1, 0), np.ones((self.height, self.width), np.bool_)

    def _plane(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._shrunk(values), np.float32)

    def _shrunk(self, pixels: NDArray[Any]) -> Pillow.Image:
        shrinks = self.width * self.height < pixels.shape[0] * pixels.shape[1]
        method = Pillow.Resampling.BOX if shrinks else Pillow.Resampling.BILINEAR
        return Pillow.fromarray(pixels).resize((self.width, self.height), method)


def _as(values: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.rint(values).clip(limits.min, limits.max).astype(dtype)
