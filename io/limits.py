"""What of an image is taken: how large it may be, and whether it may be cut off."""

from dataclasses import dataclass
from typing import Any, Self

from ..catalog.errors import ItemError
from ..catalog.records import Dataset

MAX_PIXELS = 500_000_000
"""Default for the largest photo, attachment, or raster without a place, in pixels."""
_PIXELS_PER_BYTE = 250
"""More is no picture: photos have less than 10, orthophotos that are mostly empty about 100."""
_MOST_PER_BYTE = {"JPEG": 1024, "MPO": 1024, "GIF": 3000, "BMP": 250}
"""What their coding can reach: a JPEG spends a bit on each block of 64 pixels, a GIF 12 bits on
4,093 pixels at best. PNG says itself where data is missing; WEBP and AVIF code one colour as nothing.
"""
_HARMLESS = 10_000_000
"""Pixels that are decoded without a look at how many bytes there are for them."""
_PIXELS, _CUT_OFF = "max_image_pixels", "allow_truncated"
_GATHERED = ("folder", "photo_columns", "form_export")
"""Kinds of inputs with files that nobody named one by one, and that may come from strangers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What somebody says about the images of an input."""

    pixels: int = MAX_PIXELS
    """Most that an image decoded whole may have; a raster with a place is read in windows."""
    cut_off: bool = False
    """Take JPEGs that end too early: what is missing of them is NoData."""
    is_gathered: bool = False
    """Nobody named the files one by one: a raster with a place must have bytes for its pixels."""

    @classmethod
    def of_kind(cls, kind: str, pixels: int, *, cut_off: bool) -> Self:
        """Return what holds for inputs of a kind; see :data:`pixelcat.io.sources.SOURCES`."""
        return cls(pixels=pixels, cut_off=cut_off, is_gathered=kind in _GATHERED)

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return what was said about a dataset when it was scanned."""
        said = dataset.options
        pixels, cut_off = int(said.get(_PIXELS, MAX_PIXELS)), bool(said.get(_CUT_OFF))
        return cls.of_kind(dataset.kind, pixels, cut_off=cut_off)

    def as_options(self) -> dict[str, Any]:
        """Return what the catalog keeps of them: nothing for the usual ones."""
        pixels = {} if self.pixels == MAX_PIXELS else {_PIXELS: self.pixels}
        return {**pixels, **({_CUT_OFF: True} if self.cut_off else {})}

    def check(self, width: int, height: int) -> None:
        """Refuse an image that is too large to be decoded whole.

        Raises:
            ItemError: It has more pixels than the limit.
        """
        self._check(f"{width} x {height} pixels", width * height)

    def check_coded(self, kind: str | None, width: int, height: int, byte_size: int) -> None:
        """Refuse an image that declares more pixels than its bytes can hold.

        Args:
            kind: Its format, as Pillow names it.
            width: Its width in pixels.
            height: Its height.
            byte_size: Of all of it.

        Raises:
            ItemError: It does, and may not be cut off.
        """
        most = _MOST_PER_BYTE.get(kind or "")
        if most and not self.cut_off and width * height > max(_HARMLESS, byte_size * most):
            raise ItemError(
                f"declares {width} x {height} pixels, which its {byte_size} bytes cannot hold"
            )

    def check_placed(self, width: int, height: int, byte_size: int) -> None:
        """Refuse a raster with a place whose file has no bytes for so many pixels.

        Raises:
            ItemError: It is gathered, larger than the limit, and next to empty.
        """
        if self.is_gathered and width * height > byte_size * _PIXELS_PER_BYTE:
            self._check(f"{width} x {height} pixels in {byte_size} bytes", width * height)

    def _check(self, declared: str, pixels: int) -> None:
        if pixels > self.pixels:
            raise ItemError(
                f"declares {declared}, more than the limit of {_in_words(self.pixels)};"
                " --max-image-pixels sets another"
            )


def check_size(width: int, height: int) -> None:
    """Refuse what is too large to be in memory, and comes from a service or is enlarged.

    Raises:
        ItemError: It has more pixels than the usual limit.
    """
    if width * height > MAX_PIXELS:
        raise ItemError(
            f"would be {width} x {height} pixels, more than the limit of {_in_words(MAX_PIXELS)}"
        )


def _in_words(pixels: int) -> str:
    millions, rest = divmod(pixels, 1_000_000)
    return f"{millions} million" if millions and not rest else str(pixels)
