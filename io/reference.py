"""Images that are neither a file nor bytes: made of other images, or asked from a service."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .image import Image


class Reference(Protocol):
    """How to get at such an image. Making one reads nothing."""

    def open(self) -> "Image":
        """Open the image.

        Raises:
            ItemError: It cannot be had.
        """
        ...

    def content(self) -> tuple[int | None, str]:
        """Return its size in bytes, where it has one, and what changes with the image.

        The latter is a SHA-256 in lower-case hex, of the parts or of what a service is asked.

        Raises:
            ItemError: It cannot be had.
        """
        ...


Where = Path | bytes | Reference
"""Where an image is: a path, the encoded image itself, or neither."""
