"""What ``getConfiguration`` asks for: bands, blocks, scaling, mask."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...catalog.errors import ModelError
from ..bands import is_band
from ..definition import ModelDefinition
from ..numbers import finite_number, whole_number
from ..options import DEFAULT_TILE
from ..windows import Tiling

_LARGEST_BLOCK = 1 << 28
"""Pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """How a raster function wants its pixels."""

    bands: tuple[int | str, ...] | None
    """0-based indexes or names; None where it leaves them open."""
    height: int
    """Of the output block in pixels."""
    width: int
    padding: int
    """Pixels by which the input block is larger, at each side."""
    data_range: tuple[float, float] | None
    """To what the pixels are to be rescaled."""
    wants_mask: bool
    batch_size: int | None
    """Chips in a block, as far as the function says."""

    @property
    def tiling(self) -> Tiling:
        """Whole blocks from the corner of the raster on."""
        return Tiling(
            height=self.height + 2 * self.padding,
            width=self.width + 2 * self.padding,
            padding=self.padding,
            margin=self.padding,
            fixed=True,
            anchored=True,
            fill="constant",
        )


def read_configuration(said: Mapping[str, Any], definition: ModelDefinition) -> Configuration:
    """Return what a configuration asks for.

    Args:
        said: What ``getConfiguration`` returned.
        definition: Fills in for a size of blocks that is not there.

    Raises:
        ModelError: It asks for something that cannot be.
    """
    padding = _whole(said, "padding", 0) or 0
    sides = definition.tile_size or (DEFAULT_TILE + 2 * padding, DEFAULT_TILE + 2 * padding)
    height, width = (
        side - 2 * padding if asked is None else asked
        for asked, side in zip((_whole(said, "ty"), _whole(said, "tx")), sides, strict=True)
    )
    if height < 1 or width < 1:
        raise ModelError(
            f"padding {padding} leaves nothing of a block; give a smaller --arg padding"
        )
    if (height + 2 * padding) * (width + 2 * padding) > _LARGEST_BLOCK:
        raise ModelError(f"its blocks of {height} x {width} pixels are too large")
    return Configuration(
        bands=_bands(said.get("extractBands")),
        height=height,
        width=width,
        padding=padding,
        data_range=_range(said.get("dataRange")),
        wants_mask=bool(said.get("inputMask")),
        batch_size=_whole(said, "batch_size"),
    )


def batch_notes(
    asked: object, configuration: Configuration, definition: ModelDefinition
) -> tuple[str, ...]:
    """Return notes on a batch size that is not what it seems.

    Args:
        asked: The argument ``batch_size`` as the function got it.
        configuration: What came of it.
        definition: Its tile tells how many chips a block holds.
    """
    try:
        number = whole_number(asked)
    except ValueError:
        return ()
    notes = []
    chips = configuration.batch_size or _chips(configuration, definition)
    if chips not in (None, number):
        notes.append(f"batch_size {number}: the raster function takes {chips} at a time")
    square = math.isqrt(max(number, 0)) ** 2
    if square != number:
        notes.append(
            f"batch_size {number} is no perfect square; ArcGIS would take the next below, {square}"
        )
    return tuple(notes)


def _chips(configuration: Configuration, definition: ModelDefinition) -> int | None:
    """Return how many model inputs a block holds, None where that is no whole number."""
    if definition.tile_size is None:
        return None
    counts = 1
    block = (configuration.height, configuration.width)
    for length, side in zip(block, definition.tile_size, strict=True):
        step = side - 2 * configuration.padding
        if step < 1 or length % step:
            return None
        counts *= length // step
    return counts


def _whole(said: Mapping[str, Any], key: str, least: int | None = None) -> int | None:
    if said.get(key) is None:
        return None
    try:
        number = whole_number(said[key])
    except ValueError:
        number = None
    if number is None or (least is not None and number < least):
        what = "not a whole number" if number is None else f"less than {least}"
        raise ModelError(f"{key} of its configuration is {said[key]!r}, {what}")
    return number


def _bands(listed: Any) -> tuple[int | str, ...] | None:
    if listed is None or listed == []:
        return None
    if isinstance(listed, list) and all(is_band(band) for band in listed):
        return tuple(listed)
    raise ModelError(f"extractBands of its configuration is {listed!r}, no list of bands")


def _range(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        low, high = map(finite_number, value)
    except (TypeError, ValueError):
        low = high = 0.0
    if low >= high:
        raise ModelError(f"dataRange of its configuration is {value!r}, not least and greatest")
    return low, high
