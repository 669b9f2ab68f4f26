"""What of an image is asked for: a rectangle of its pixels, and in it what lies inside a mask."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .image import Image, Window, overlap

Limit = Callable[[Window], NDArray[np.bool_]]
"""A window inside the image → which of its pixels are inside, shape (height, width)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The pixels of an image that are to get a class, as far as they are valid.

    The others are read all the same where the model looks at them.
    """

    window: Window
    """The class raster has this rectangle of the image's pixels."""
    limits: tuple[Limit, ...] = ()

    @classmethod
    def whole(cls, image: Image) -> "Part":
        """Return all of an image."""
        return cls(window=Window(0, 0, image.height, image.width))

    def wanted(self, area: Window) -> NDArray[np.bool_]:
        """Return which pixels of a window are asked for, shape (height, width).

        Args:
            area: May reach beyond the image.
        """
        wanted = np.zeros((area.height, area.width), np.bool_)
        inside = overlap(area, self.window)
        if inside is not None:
            top, left = inside.row - area.row, inside.column - area.column
            place = (slice(top, top + inside.height), slice(left, left + inside.width))
            wanted[place] = True
            for limit in self.limits:
                wanted[place] &= limit(inside)
        return wanted
