"""What goes into a classifier and what comes out: windows of one shape, and their classes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from ..io.image import Image, Window

_LARGE = 1 << 23
"""Pixels. What a function for one size of window saves, an eighth, is then what compiling takes."""


class Batches(NamedTuple):
    """How a model takes windows."""

    size: Callable[[int, int], int]
    """From their height and width to how many make a batch."""
    at_once: int
    """How many batches it may be asked about at the same time."""
    most: int | None = None
    """Windows of a batch that memory has room for, where that is known to be fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a window lies, and what image it is of."""

    item_id: int
    window: Window
    """May reach beyond the image."""
    width: int
    """Of the image."""
    height: int
    bands: int
    dtype: str
    transform: Affine | None
    """Pixel (column, row) of the image to map (x, y); None for a photo."""
    crs: str | None

    @classmethod
    def of(cls, item_id: int, image: Image, window: Window) -> "Place":
        """Return the place of a window of an open image."""
        return cls(
            item_id=item_id,
            window=window,
            width=image.width,
            height=image.height,
            bands=image.bands,
            dtype=image.dtype,
            transform=image.transform,
            crs=image.crs,
        )

    @property
    def is_of_map(self) -> bool:
        """Whether the image has a place on the ground; a photo has an up and a down."""
        return self.transform is not None

    @property
    def is_of_many(self) -> bool:
        """Whether the image has so many windows that it pays to compile for their size."""
        return self.width * self.height >= _LARGE


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowBatch:
    """Windows of one shape, one type and one kind: of photos or of maps, large or small ones."""

    pixels: NDArray[Any]
    """Shape (n, height, width, bands), unscaled; invalid pixels are 0."""
    valid: NDArray[np.bool_]
    """Shape (n, height, width); False too for pixels beyond the image."""
    places: tuple[Place, ...]
    """Of the first windows; the others are zeros that fill the batch."""

    @property
    def is_map(self) -> bool:
        """Whether the images have a place on the ground."""
        return bool(self.places) and self.places[0].is_of_map

    @property
    def is_of_many(self) -> bool:
        """Whether the images are large."""
        return bool(self.places) and self.places[0].is_of_many


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassBatch:
    """The answer for a batch of windows, each array with shape (n, height, width)."""

    classes: NDArray[Any]
    """Positions in ``Classifier.classes``; uint8 or uint16."""
    confidence: NDArray[np.float32]
    """0 to 1; NaN where the network gave a score that is not finite, or no class of its own."""
    valid: NDArray[np.bool_] | None = None
    """False where the model itself says that there is no class; None for nowhere."""
    extras: tuple[NDArray[Any], ...] = ()
    """One for each of ``Classifier.extras``, shape (n, height, width, bands)."""
