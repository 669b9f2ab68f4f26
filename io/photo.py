"""Photos: images decoded whole by Pillow, turned upright."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from ..catalog.errors import ItemError, first_line
from .container import exif_of_png
from .cut_off import bytes_of, known_rows, with_end
from .image import RasterArray, Window
from .jpeg_whole import check_whole, is_in_scans
from .limits import Limits
from .raster_facts import georeference

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
_JPEGS = ("JPEG", "MPO")
_LARGE = 50_000_000
"""Pixels of a JPEG in scans, 300 MB of coefficients, above which memory counts more than time."""
_ORIENTATION, _EXIF_IFD, _GPS_IFD, _TAKEN_AT = 0x0112, 0x8769, 0x8825, 0x9003


class Photo:
    """A photo, open. Decoded at the first read and kept until closed."""

    def __init__(
        self, where: Path | bytes, formats: tuple[str, ...], limits: Limits | None = None
    ) -> None:
        """Read the header.

        Args:
            where: A path, or the encoded image.
            formats: The Pillow decoders that may be used.
            limits: What of it is taken; None for the usual.

        Raises:
            ItemError: Damaged, or too large.
        """
        limits = limits or Limits()
        mended = with_end(where, formats) if limits.cut_off else None
        self._cut_off = where if mended else None
        self._image = _header(mended or where, formats)
        self._jpeg = where if self._image.format in _JPEGS else None
        self._is_unproven = not limits.cut_off
        width, height = self._image.size
        try:
            limits.check(width, height)
            limits.check_coded(self._image.format, width, height, _size_of(where))
        except ItemError:
            self._image.close()
            raise
        exif = self._exif(where)
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
        self.has_more_pages = self._image.format != "MPO" and bool(
            getattr(self._image, "is_animated", False)
        )
        """Frames of an animation; previews that cameras put into a JPEG are no pages."""
        self.bands = _MODE_BANDS.get(self._image.mode, 3)
        self.dtype = {"I": "float32", "F": "float32"}.get(
            self._image.mode, "uint16" if self._image.mode.startswith("I;16") else "uint8"
        )
        self.band_names: tuple[str | None, ...] = (
            ("red", "green", "blue") if self.bands == 3 else ("gray",)
        )
        self.transform, self.crs = self._georeference(where, formats[0])
        self._decoded: tuple[NDArray[Any], NDArray[np.bool_]] | None = None
        self._damage: ItemError | None = None
        self._keeps_numbers = False

    def _exif(self, where: Path | bytes) -> dict[int, Any]:
        """Return the metadata; a PNG is kept from decoding its pixels in search of them."""
        try:
            if self._image.format == "PNG" and "exif" not in self._image.info:
                self._image.info.update(exif_of_png(where))
            exif = Pillow.Image.getexif(self._image)
            return {
                **exif,
                **exif.get_ifd(_EXIF_IFD),
                _GPS_IFD: dict(exif.get_ifd(_GPS_IFD)),
            }
        except Exception:  # noqa: BLE001  damaged metadata does not make a picture unusable
            return {}

    def _georeference(self, where: Path | bytes, driver: str) -> tuple[Affine | None, str | None]:
        """Return what a world file or ``.aux.xml`` beside a file says; attachments have none."""
        if isinstance(where, bytes) or (self.orientation or 1) != 1:
            return None, None
        return georeference(where, driver)

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

        A photo that failed once is not tried again: Pillow then gives what it had got so far.

        Raises:
            ItemError: The photo is cut off or damaged.
        """
        if self._damage is not None:
            raise self._damage
        if self._decoded is None:
            try:
                self._decoded = self._decode()
            except ItemError as error:
                self._damage = error
                raise
        return self._decoded

    def keep_numbers(self) -> None:
        """Give numbers of palette entries instead of colours."""
        self.bands, self.band_names = 1, ("palette",)
        self._keeps_numbers = True
        self._decoded = None

    def _decode(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Decode, and look meanwhile whether a JPEG is whole: if not, that is what is said.

        Where both would hold much at once, that comes first.
        """
        if self._jpeg is None:
            return self._pixels()
        data = bytes_of(self._jpeg)
        is_large = is_in_scans(data) and self._image.width * self._image.height > _LARGE
        if not self._is_unproven:
            return self._pixels()
        self._is_unproven = False
        if is_large:
            check_whole(data, *self._image.size)
            return self._pixels()
        with ThreadPoolExecutor(1) as pool:
            proof = pool.submit(check_whole, data, *self._image.size)
            try:
                return self._pixels()
            finally:
                proof.result()

    def _pixels(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        try:
            image = (_numbers if self._keeps_numbers else _without_palette)(self._image)
            known = None if self._cut_off is None else known_rows(self._cut_off, self._image)
            pixels = np.asarray(self._upright(image))
        except Exception as error:  # a decoder may raise anything on hostile bytes
            raise ItemError(f"cut off or damaged: {first_line(error)}") from error
        if pixels.ndim == 2:
            pixels = pixels[..., np.newaxis]
        if image.mode in ("RGBA", "LA"):
            return pixels[..., :-1], pixels[..., -1] != 0
        if self.dtype == "float32":
            pixels = pixels.astype(np.float32)
        if known is None:
            return pixels, np.ones(pixels.shape[:2], bool)
        mask = np.repeat(known[:, np.newaxis], self._image.width, axis=1)
        return pixels, np.asarray(self._upright(Pillow.fromarray(mask))) != 0

    def _upright(self, image: Pillow.Image) -> Pillow.Image:
        turn = _UPRIGHT.get(self.orientation or 1)
        return image if turn is None else image.transpose(turn)


def _header(where: Path | bytes | io.BytesIO, formats: tuple[str, ...]) -> Pillow.Image:
    """Open an image; of what is missing or wrong in it only the header shows.

    Raises:
        ItemError: It is damaged.
    """
    try:
        file = io.BytesIO(where) if isinstance(where, bytes) else where
        return Pillow.open(file, formats=formats)
    except UnidentifiedImageError as error:  # says no more than the name of the file
        raise ItemError(f"damaged {formats[0]} header") from error
    except Exception as error:  # a decoder may raise anything on hostile bytes
        raise ItemError(f"damaged {formats[0]} header: {first_line(error)}") from error


def _size_of(where: Path | bytes) -> int:
    return len(where) if isinstance(where, bytes) else where.stat().st_size


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
