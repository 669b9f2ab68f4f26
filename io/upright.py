"""TIFF photos turned upright: GDAL reads pixels as they are stored."""

import io
import struct
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from .image import Image, RasterArray, Window

_ORIENTATION = 274
_MOST_TAGS = 1000


class _Turn(NamedTuple):
    """What makes stored pixels upright: swapped axes first, then reversed ones."""

    swap: bool
    rows: bool
    columns: bool


_TURNS = {
    2: _Turn(False, False, True),
    3: _Turn(False, True, True),
    4: _Turn(False, True, False),
    5: _Turn(True, False, False),
    6: _Turn(True, False, True),
    7: _Turn(True, True, True),
    8: _Turn(True, True, False),
}
"""By the tag Orientation (TIFF 6.0, page 36)."""


def tiff_orientation(where: Path | bytes) -> int | None:
    """Return the tag Orientation of a TIFF, 1 to 8; None where it has none."""
    try:
        with open(where, "rb") if isinstance(where, Path) else io.BytesIO(where) as file:
            value = _first_directory(file).get(_ORIENTATION)
    except (OSError, OverflowError, struct.error):
        return None
    return value if value in range(1, 9) else None


def _first_directory(file: IO[bytes]) -> dict[int, int]:
    """Return the tags of the first directory, each with its value as a short number."""
    head = file.read(16)
    order, is_big = "<" if head[:2] == b"II" else ">", 43 in head[2:4]
    offset, count, size = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    file.seek(*struct.unpack_from(order + offset, head, 8 if is_big else 4))
    (length,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
    entries = file.read(size * min(length, _MOST_TAGS))
    return {
        struct.unpack_from(order + "H", entries, at)[0]: struct.unpack_from(
            order + "H", entries, at + size - struct.calcsize(offset)
        )[0]
        for at in range(0, len(entries), size)
    }


def upright(image: Image) -> Image:
    """Return an image turned as its orientation says, or itself where that is nothing to do."""
    turn = _TURNS.get(image.orientation or 1)
    return image if turn is None else Upright(image, turn)


class Upright:
    """An image whose pixels are stored turned, as every viewer shows it."""

    transform: Affine | None = None

    def __init__(self, image: Image, turn: _Turn) -> None:
        """Take an open image without a place on the ground."""
        self._image = image
        self._turn = turn
        size = (image.width, image.height)
        self.width, self.height = size[::-1] if turn.swap else size
        self.bands, self.dtype, self.band_names = image.bands, image.dtype, image.band_names
        self.orientation, self.taken_at = image.orientation, image.taken_at
        self.position, self.direction = image.position, image.direction
        self.crs = image.crs
        self.palette = getattr(image, "palette", None)

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the bands with these 0-based indexes."""
        row, column, height, width = window
        if self._turn.rows:
            row = self.height - row - height
        if self._turn.columns:
            column = self.width - column - width
        stored = Window(row, column, height, width)
        if self._turn.swap:
            stored = Window(column, row, width, height)
        found = self._image.read(stored, bands)
        return RasterArray(
            data=self._turned(found.data),
            valid=self._turned(found.valid),
            transform=None,
            crs=found.crs,
        )

    def _turned(self, values: NDArray[Any]) -> NDArray[Any]:
        if self._turn.swap:
            values = values.swapaxes(-1, -2)
        rows, columns = (slice(None, None, -1 if each else 1) for each in self._turn[1:])
        return np.ascontiguousarray(values[..., rows, columns])

    def __enter__(self) -> Self:
        """Return the image itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the image."""
        self._image.__exit__()
