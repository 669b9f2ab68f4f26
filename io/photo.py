"""Photos: images decoded whole by Pillow, turned upright."""

import io
from pathlib import Path
from typing import Any, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from PIL import Image as Pillow

from ..catalog.errors import ItemError, first_line
from .image import RasterArray, Window, check_size
from .raster import georeference

Pillow.MAX_IMAGE_PIXELS = None  # our own limit is checked before anything is decoded

_UPRIGHT = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes the picture upright (EXIF 2.32, tag 0x0112)."""

_MODE_BANDS = {"1": 1, "L": 1, "LA": 1, "La": 1, "I": 1, "F": 1, "I;16": 1, "I;16B": 1}
_ORIENTATION, _EXIF_IFD, _GPS_IFD, _TAKEN_AT = 0x0112, 0x8769, 0x8825, 0x9003


class Photo:
    """A photo, open. Decoded at the first read and kept until closed."""

    def __init__(self, where: Path | bytes, formats: tuple[str, ...]) -> None:
        """Read the header.

        Args:
            where: A path, or the encoded image.
            formats: The Pillow decoders that may be used.

        Raises:
            ItemError: Damaged, or too large.
        """
        try:
            self._image = Pillow.open(
                where if isinstance(where, Path) else io.BytesIO(where), formats=formats
            )
        except Exception as error:  # a decoder may raise anything on hostile bytes
            raise ItemError(f"damaged {formats[0]} header: {first_line(error)}") from error
        width, height = self._image.size
        try:
            check_size(width, height)
        except ItemError:
            self._image.close()
            raise
        exif = self._exif()
        self.orientation = exif.get(_ORIENTATION)
        if self.orientation not in range(1, 9):
            self.orientation = None
        self.taken_at = _taken_at(exif)
        self.position = _position(exif)
        self.direction = _direction(exif)
        turned = self.orientation in (5, 6, 7, 8)
        self.width, self.height = (height, width) if turned else (width, height)
        self.is_indexed = self._image.mode == "P"
        """Whether there is a palette, of which numbers may be asked for."""
        self.bands = _MODE_BANDS.get(self._image.mode, 3)
        self.dtype = {"I": "float32", "F": "float32"}.get(
            self._image.mode, "uint16" if self._image.mode.startswith("I;16") else "uint8"
        )
        self.band_names: tuple[str | None, ...] = (
            ("red", "green", "blue") if self.bands == 3 else ("gray",)
        )
        self.transform, self.crs = self._georeference(where)
        self._decoded: tuple[NDArray[Any], NDArray[np.bool_]] | None = None
        self._keeps_numbers = False

    def _exif(self) -> dict[int, Any]:
        try:
            exif = self._image.getexif()
            return {
                **exif,
                **exif.get_ifd(_EXIF_IFD),
                _GPS_IFD: dict(exif.get_ifd(_GPS_IFD)),
            }
        except Exception:  # noqa: BLE001  damaged metadata does not make a picture unusable
            return {}

    def _georeference(self, where: Path | bytes) -> tuple[Affine | None, str | None]:
        """Return what a world file or ``.aux.xml`` beside a file says; attachments have none."""
        if isinstance(where, bytes) or (self.orientation or 1) != 1:
            return None, None
        return georeference(where)

    def __enter__(self) -> Self:
        """Return the photo itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget the pixels."""
        self._decoded = None
        self._image.close()

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the upright photo.

        Raises:
            ItemError: The photo is cut off or damaged.
        """
        pixels, valid = self.decode()
        rows = slice(window.row, window.row + window.height)
        columns = slice(window.column, window.column + window.width)
        part = np.moveaxis(pixels[rows, columns], -1, 0)
        if bands != tuple(range(len(part))):
            part = part[list(bands)]
        inside = valid[rows, columns]
        return RasterArray(
            data=part if inside.all() else np.where(inside, part, 0),
            valid=inside,
            transform=self.transform
            and self.transform @ Affine.translation(window.column, window.row),
            crs=self.crs,
        )

    def decode(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return pixels (height, width, bands) and which are valid (height, width), upright.

        Raises:
            ItemError: The photo is cut off or damaged.
        """
        if self._decoded is None:
            self._decoded = self._decode()
        return self._decoded

    def keep_numbers(self) -> None:
        """Give numbers of palette entries instead of colours."""
        self.bands, self.band_names = 1, ("palette",)
        self._keeps_numbers = True
        self._decoded = None

    def _decode(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        try:
            image = (_numbers if self._keeps_numbers else _without_palette)(self._image)
            if self.orientation in _UPRIGHT:
                image = image.transpose(_UPRIGHT[self.orientation])
            pixels = np.asarray(image)
        except Exception as error:  # a decoder may raise anything on hostile bytes
            raise ItemError(f"cut off or damaged: {first_line(error)}") from error
        if pixels.ndim == 2:
            pixels = pixels[..., np.newaxis]
        if image.mode in ("RGBA", "LA"):
            return pixels[..., :-1], pixels[..., -1] != 0
        if self.dtype == "float32":
            pixels = pixels.astype(np.float32)
        return pixels, np.ones(pixels.shape[:2], bool)


def _without_palette(image: Pillow.Image) -> Pillow.Image:
    """Return the image in gray, RGB, or either with alpha; other numbers as they are."""
    if image.mode.startswith(("I", "F")):
        return image
    gray = image.mode in _MODE_BANDS
    has_alpha = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    mode = ("LA" if has_alpha else "L") if gray else ("RGBA" if has_alpha else "RGB")
    image.load()
    return image if image.mode == mode else image.convert(mode)


def _numbers(image: Pillow.Image) -> Pillow.Image:
    """Return the numbers of palette entries as gray, with the alpha of the entries if any."""
    image.load()
    numbers = Pillow.fromarray(np.asarray(image))
    if "transparency" not in image.info:
        return numbers
    return Pillow.merge("LA", (numbers, image.convert("RGBA").getchannel("A")))


def _taken_at(exif: dict[int, Any]) -> str | None:
    """Return EXIF DateTimeOriginal (``2008:10:22 16:28:39``) as ISO 8601 local time."""
    text = str(exif.get(_TAKEN_AT, "")).strip("\x00 ")
    day, _, time = text.partition(" ")
    return f"{day.replace(':', '-')}T{time}" if len(day) == 10 and len(time) == 8 else None


def _position(exif: dict[int, Any]) -> tuple[float, float] | None:
    """Return EXIF GPS longitude and latitude in degrees."""
    gps = exif.get(_GPS_IFD, {})
    try:
        latitude = _degrees(gps[2], gps[1] in ("S", b"S"))
        longitude = _degrees(gps[4], gps[3] in ("W", b"W"))
    except Exception:  # noqa: BLE001  no position, or not three numbers
        return None
    inside = abs(latitude) <= 90 and abs(longitude) <= 180
    return (longitude, latitude) if inside and (latitude, longitude) != (0.0, 0.0) else None


def _direction(exif: dict[int, Any]) -> float | None:
    """Return EXIF GPSImgDirection (tag 17), degrees from true or magnetic north."""
    try:
        degrees = float(exif[_GPS_IFD][17])
    except Exception:  # noqa: BLE001  not said, or no number
        return None
    return degrees if 0 <= degrees <= 360 else None


def _degrees(parts: Any, negative: bool) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    return -value if negative else value
