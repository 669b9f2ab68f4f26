"""From pixel values to what a network expects, as one affine step per band."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..catalog.errors import ItemError, ModelError

_PIXEL_RANGES = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """How a network wants its input.

    First ``value * scale + offset`` (as GDAL defines scale and offset), then the map of
    ``source_range`` to ``data_range``, then ``(value - mean) / std``. A tuple of one
    number serves all bands.
    """

    scale: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    data_range: tuple[float, float] | None = None
    """Esri's DataRange: what the model was trained on, e.g. (0, 1)."""
    source_range: tuple[float, float] | None = None
    """What the pixels range over; by default the range of their type (uint8: 0 to 255)."""

    def check(self, bands: int) -> None:
        """Check that every list has one number, or one per band.

        Raises:
            ModelError: One has not, or a standard deviation is 0.
        """
        for name in ("scale", "offset", "mean", "std"):
            numbers = getattr(self, name)
            if numbers is not None and len(numbers) not in (1, bands):
                raise ModelError(
                    f"{name} has {len(numbers)} numbers, the model takes {bands} bands"
                )
        if self.std is not None and 0.0 in self.std:
            raise ModelError("Std of the model definition holds a 0")

    def factors(
        self, bands: int, dtype: str
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Return factor and summand per band; None where nothing is to be done.

        Args:
            bands: Bands of the model.
            dtype: Type of the pixels.

        Raises:
            ItemError: ``data_range`` needs a range that this pixel type does not have.
        """
        factor, summand = np.ones(bands), np.zeros(bands)
        if self.scale is not None:
            factor = factor * self.scale
        if self.offset is not None:
            summand = summand + self.offset
        if self.data_range is not None:
            low, high = self.data_range
            from_low, from_high = self._source_range(dtype)
            ratio = (high - low) / (from_high - from_low)
            factor, summand = factor * ratio, (summand - from_low) * ratio + low
        if self.mean is not None:
            summand = summand - self.mean
        if self.std is not None:
            factor, summand = factor / self.std, summand / self.std
        if (factor == 1).all() and (summand == 0).all():
            return None
        return factor.astype(np.float32), summand.astype(np.float32)

    def _source_range(self, dtype: str) -> tuple[float, float]:
        known = self.source_range or _PIXEL_RANGES.get(dtype)
        if known is None:
            raise ItemError(
                f"the model wants a DataRange and {dtype} pixels have no fixed range;"
                " give --arg source_range=least,greatest"
            )
        return known
