"""Blocks of pixels as a file geodatabase stores them: packed bits, big-endian, a mask behind."""

import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..catalog.errors import ItemError

_TYPES = {
    (1, 0): ">u1", (2, 0): ">u1", (4, 0): ">u1",
    (8, 0): ">u1", (8, 1): ">i1", (16, 0): ">u2", (16, 1): ">i2",
    (32, 0): ">u4", (32, 1): ">i4", (32, 2): ">f4", (64, 0): ">f8", (64, 2): ">f8",
}  # fmt: skip
"""Bits per pixel and kind of number → type; a 64-bit pixel is a float whatever its kind."""
_FOREIGN = {8: "JPEG", 12: "JPEG 2000"}
_PLAIN, _DEFLATED = 0, 4


class Block(NamedTuple):
    """Pixels of one band."""

    pixels: NDArray[Any]
    """Shape (height, width)."""
    valid: NDArray[np.bool_]
    """Same shape."""


class BlockFormat(NamedTuple):
    """How the blocks of a raster are stored."""

    height: int
    width: int
    bits: int
    kind: int
    """0 for unsigned, 1 for signed numbers, 2 for floats."""
    compression: int

    @classmethod
    def of(cls, height: int, width: int, band_types: int) -> "BlockFormat":
        """Return what a number of the column ``band_types`` says.

        Raises:
            ItemError: Pixels or a compression that are not read; says what to do.
        """
        found = cls(
            height=height,
            width=width,
            bits=band_types >> 19 & 0x7F,
            kind=band_types >> 16 & 0x3,
            compression=band_types >> 8 & 0xFF,
        )
        if found.compression not in (_PLAIN, _DEFLATED):
            name = _FOREIGN.get(found.compression, f"unknown compression {found.compression}")
            raise ItemError(
                f"its blocks are compressed as {name}, which is not read from geodatabases; export"
                " it to TIFF with ArcGIS, or with gdal_translate of GDAL 3.7 or newer"
            )
        if (found.bits, found.kind) not in _TYPES:
            raise ItemError(
                f"pixels of {found.bits} bits (kind {found.kind}) are not read from geodatabases;"
                " export it to TIFF"
            )
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its pixels, as they are stored."""
        return np.dtype(_TYPES[self.bits, self.kind])

    def decode(self, stored: bytes) -> Block:
        """Return the pixels of a block, and which of them are valid.

        Raises:
            ItemError: It has another length than its pixels have.
        """
        count = self.height * self.width
        pixel_bytes, mask_bytes = -(-count * self.bits // 8), -(-count // 8)
        data = self._unpacked(stored, pixel_bytes + mask_bytes)
        if len(data) not in (pixel_bytes, pixel_bytes + mask_bytes):
            raise ItemError(f"a block of {len(data)} bytes, its pixels have {pixel_bytes}; damaged")
        shape = self.height, self.width
        valid = np.ones(shape, np.bool_)
        if len(data) > pixel_bytes:
            valid = _bits(data[pixel_bytes:], count).astype(np.bool_).reshape(shape)
        return Block(self._pixels(data[:pixel_bytes]).reshape(shape), valid)

    def _unpacked(self, stored: bytes, most: int) -> bytes:
        if self.compression == _PLAIN:
            return stored
        try:
            return zlib.decompressobj().decompress(stored, most + 1)
        except zlib.error as error:
            raise ItemError(f"a block is damaged: {error}") from error

    def _pixels(self, data: bytes) -> NDArray[Any]:
        if self.bits >= 8:
            return np.frombuffer(data, self.dtype)
        digits = _bits(data, self.height * self.width * self.bits).reshape(-1, self.bits)
        weights = 1 << np.arange(self.bits, dtype=np.uint8)[::-1]
        pixels: NDArray[np.uint8] = (digits * weights).sum(axis=1, dtype=np.uint8)
        return pixels


def _bits(data: bytes, count: int) -> NDArray[np.uint8]:
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count)
