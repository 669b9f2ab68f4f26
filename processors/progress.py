"""How far a run is, in pixels and in images."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from ..catalog.records import Item


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a call is with what was pending when it began."""

    pixels_done: int
    pixels: int
    """In all. What is fed to the model counts; of images not opened yet, their own size."""
    images_done: int
    """Finished, whatever became of them."""
    images: int
    work: str = "classifying"
    """Or ``verifying``, which counts from the start: windows that are compared, and their images."""


Show = Callable[[Progress], None]
"""Called as windows and images are finished."""
Advance = Callable[[int, int, int], None]
"""Called with the number of an item, pixels of a window, and pixels of the image, as fed."""


class Meter:
    """Adds up what is finished."""

    def __init__(self, images: int, pixels: int, show: Show) -> None:
        """Begin; says at once how much is to be done.

        Args:
            images: How many.
            pixels: Of all of them.
            show: To be told.
        """
        self._sizes: dict[int, int] = {}
        """Pixels of images that are in hand."""
        self._parts: Counter[int] = Counter()
        """Pixels done of them."""
        self._pixels_done = 0
        self._pixels = pixels
        self._images = images
        self._images_done = 0
        self._show = show
        self._tell()

    def begin(self, item: Item) -> None:
        """Note that an image is taken in hand."""
        self._sizes[item.id or 0] = (item.width or 0) * (item.height or 0)

    def window(self, item_id: int, pixels: int, size: int) -> None:
        """Count a window of an image.

        Args:
            item_id: The image.
            pixels: Of the window.
            size: Pixels of the image as it is fed to the model.
        """
        self._pixels += size - self._sizes[item_id]
        self._sizes[item_id] = size
        more = min(pixels, size - self._parts[item_id])
        self._parts[item_id] += more
        self._pixels_done += more
        self._tell()

    def image(self, item_id: int) -> None:
        """Count an image as finished, with the pixels that nobody has counted."""
        self._pixels_done += self._sizes.pop(item_id) - self._parts.pop(item_id, 0)
        self._images_done += 1
        self._tell()

    def _tell(self) -> None:
        self._show(
            Progress(
                pixels_done=self._pixels_done,
                pixels=self._pixels,
                images_done=self._images_done,
                images=self._images,
            )
        )
