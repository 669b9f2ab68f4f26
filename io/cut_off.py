"""JPEGs that end too early: what there is of them, and which rows that is."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ..catalog.errors import ItemError
from .container import has_end

_END = b"\xff\xd9"
_FILLING = bytes(range(1, 255)) * 16
"""Stands for bytes that are missing: whatever it changes was not in the file."""
_LARGEST = 1 << 30
"""Bytes that are read of one."""


def with_end(where: Path | bytes, formats: tuple[str, ...]) -> io.BytesIO | None:
    """Return a JPEG that is cut off with an end, which decoders want; None for any other image.

    Raises:
        ItemError: It cannot be read.
    """
    if "JPEG" not in formats or has_end(where):
        return None
    return io.BytesIO(bytes_of(where) + _END)


def known_rows(where: Path | bytes, decoded: Pillow.Image) -> NDArray[np.bool_]:
    """Return which rows of a JPEG that is cut off do not depend on what is missing.

    Args:
        where: The JPEG.
        decoded: What a decoder made of it with an end.

    Returns:
        Shape (height,): True down to the row of blocks in which it ends.
    """
    filled = io.BytesIO(bytes_of(where) + _FILLING + _END)
    with Pillow.open(filled, formats=("JPEG",)) as other:
        same = np.asarray(decoded) == np.asarray(other)
    row_is_same = same.reshape(same.shape[0], -1).all(axis=1)
    known: NDArray[np.bool_] = np.logical_and.accumulate(row_is_same)
    return known


def bytes_of(where: Path | bytes) -> bytes:
    """Return the bytes of an image, of a file up to a limit.

    Raises:
        ItemError: It cannot be read.
    """
    if isinstance(where, bytes):
        return where
    try:
        with open(where, "rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise ItemError(f"cannot be read: {error.strerror}") from error
