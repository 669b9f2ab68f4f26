"""Small pictures of images and class maps, for pages that people look at."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ..catalog.errors import ItemError
from .image import Window, open_image
from .own_raster import own_raster
from .raster import GDAL_ERRORS

LARGEST_IMAGE = 25_000_000
"""Pixels of an image that is read for a picture; of a larger one the class map is all there is."""
_GREY = (128, 128, 128)
_QUALITY = 80


def class_picture(
    path: Path, colors: Mapping[int, tuple[int, int, int]], longest: int
) -> NDArray[np.uint8]:
    """Return a class raster in its colours, no larger than asked for.

    Args:
        path: The class raster.
        colors: Red, green and blue by class value.
        longest: Pixels of the longer side.

    Returns:
        Red, green, blue and alpha with shape (height, width, 4); NoData is transparent.

    Raises:
        ItemError: It cannot be read.
    """
    try:
        with own_raster(path) as dataset:
            size = _fitting(dataset.height, dataset.width, longest)
            values = dataset.read(1, out_shape=size)
    except GDAL_ERRORS as error:
        raise ItemError(f"{path.name} cannot be read") from error
    known, places = np.unique(values, return_inverse=True)
    palette = np.zeros((len(known), 4), np.uint8)
    for place, value in enumerate(known.tolist()):
        if value in colors:
            palette[place] = (*colors[value], 255)
    return palette[places.reshape(values.shape)]


def image_picture(where: Path | bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Return an image at another size, stretched to what is in it where it is no photo.

    Returns:
        Red, green and blue with shape (height, width, 3).

    Raises:
        ItemError: It cannot be read, or is too large to be read for this.
    """
    with open_image(where) as image:
        if image.height * image.width > LARGEST_IMAGE:
            raise ItemError("too large for a preview")
        bands = (0, 1, 2) if image.bands >= 3 else (0, 0, 0)
        pixels = image.read(Window(0, 0, image.height, image.width), bands)
    rows, columns = (
        ((2 * np.arange(count) + 1) * length) // (2 * count)
        for count, length in zip((height, width), pixels.valid.shape, strict=True)
    )
    taken = np.ix_(rows, columns)
    valid = pixels.valid[taken]
    shown = np.stack([_as_bytes(band[taken], valid) for band in pixels.data], axis=-1)
    shown[~valid] = 255
    return shown


def _as_bytes(band: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    if band.dtype == np.uint8:
        return band
    known = band[valid & np.isfinite(band)]
    low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
    scaled = (band - float(low)) / max(float(high - low), 1e-12)
    return (np.nan_to_num(np.clip(scaled, 0, 1)) * 255).astype(np.uint8)


def blended(
    picture: NDArray[np.uint8], classes: NDArray[np.uint8], opacity: float
) -> NDArray[np.uint8]:
    """Return a picture with a class map of its size laid over it."""
    share = classes[..., 3:].astype(np.float32) / 255 * opacity
    mixed = picture * (1 - share) + classes[..., :3] * share
    return mixed.astype(np.uint8)


def data_uri(picture: NDArray[np.uint8]) -> str:
    """Return a picture as an address that holds it: JPEG, or PNG where it has an alpha band."""
    buffer = io.BytesIO()
    kind = "png" if picture.shape[-1] == 4 else "jpeg"
    Pillow.fromarray(picture).save(buffer, kind, quality=_QUALITY, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def rgb(color: str) -> tuple[int, int, int]:
    """Return red, green and blue of ``#rrggbb``; grey where it is anything else."""
    try:
        red, green, blue = bytes.fromhex(color.removeprefix("#"))
    except ValueError:
        return _GREY
    return red, green, blue


def _fitting(height: int, width: int, longest: int) -> tuple[int, int]:
    factor = min(1.0, longest / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))
