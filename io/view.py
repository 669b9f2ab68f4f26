"""An image shown in another way."""

from typing import Self

from affine import Affine

from .control import control_of
from .image import Image


class View:
    """What wraps an image: its facts are those of the image, unless changed."""

    def __init__(self, image: Image) -> None:
        """Take an open image; who opened it closes it."""
        self._image = image
        self.width, self.height = image.width, image.height
        self.bands, self.dtype, self.band_names = image.bands, image.dtype, image.band_names
        self.orientation, self.taken_at = image.orientation, image.taken_at
        self.position, self.direction = image.position, image.direction
        self.transform: Affine | None = image.transform
        self.crs: str | None = image.crs
        self.control = control_of(image)
        self.has_more_pages: bool = getattr(image, "has_more_pages", False)
        self.palette = getattr(image, "palette", None)
        self.is_in_pieces: bool = getattr(image, "is_in_pieces", False)

    def __enter__(self) -> Self:
        """Return the view itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""
