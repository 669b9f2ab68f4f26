"""From class values to their positions in the list of classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...catalog.errors import ItemError

_SHOWN = 5
_BEYOND = 1 << 62
"""Beyond any class, and within the integers of NumPy."""


class Lookup:
    """Finds class values."""

    def __init__(self, values: Sequence[int]) -> None:
        """Take the values of the classes."""
        self._order = np.argsort(values)
        self._sorted = np.array(values, np.int64)[self._order]

    def positions(self, values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint16]:
        """Return the position of each value; 0 where it is not valid.

        Args:
            values: What a model gave.
            valid: Where it counts; the same shape.

        Raises:
            ItemError: A value is no class, or no whole number at all.
        """
        known = np.where(valid, values, 0)
        if known.dtype.kind == "f":
            if not (known == np.rint(known)).all():
                raise ItemError(
                    f"the raster function gave output_pixels of {values.dtype}, not whole numbers"
                )
            known = known.clip(-_BEYOND, _BEYOND)
        if known.dtype == np.uint64:  # beyond any class, and they stay so
            known = np.minimum(known, np.uint64(np.iinfo(np.int64).max))
        whole = known.astype(np.int64)
        places = np.searchsorted(self._sorted, whole).clip(max=len(self._sorted) - 1)
        foreign = valid & (self._sorted[places] != whole)
        if foreign.any():
            found = np.unique(whole[foreign])
            shown = ", ".join(map(str, found[:_SHOWN])) + (", ..." if len(found) > _SHOWN else "")
            raise ItemError(
                f"the raster function gave values that are no class in {foreign.sum()} pixels: {shown}"
            )
        positions: NDArray[np.uint16] = np.where(valid, self._order[places], 0).astype(np.uint16)
        return positions
