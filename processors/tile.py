"""Window size and halo for a network, from what was asked and what was measured."""

import math
from typing import NamedTuple

import numpy as np

from ..catalog.errors import UsageError
from .machine import total_memory
from .network import Network
from .options import DEFAULT_TILE, RunOptions
from .receptive_field import ReceptiveField
from .windows import Tiling, round_up

_GLOBAL = (
    "the model looks further than could be measured: seams are possible; --arg blend=hann"
    " hides them"
)
_CORE, _LARGEST_CORE = 1024, 2048
"""Sides of a core that nobody asked for: larger ones have less halo, and take more memory."""
_ROOMY = 1 << 30
"""Bytes that a network may hold for windows with a core larger than the least."""
_SHARE = 16
"""The least part of the machine's memory that this may be; two such windows may be in hand."""
_LEAST_CORE = 64
_LARGEST_WINDOW = 1 << 28
"""Pixels."""


class _Halo(NamedTuple):
    padding: int
    note: str | None = None


def tiling_for(
    network: Network, options: RunOptions, field: ReceptiveField, most: int | None = None
) -> tuple[Tiling, tuple[str, ...]]:
    """Return how rasters are cut, and what the user should know about it.

    Args:
        network: The network.
        options: What was asked.
        field: What was measured.
        most: Pixels of a window that memory has room for; None for any number.

    Raises:
        UsageError: What was asked leaves nothing of a window.
    """
    fixed = network.height is not None or network.width is not None
    grid = math.lcm(field.stride, options.tile_multiple)
    height, width = _tile_size(network, options, field, grid, most)
    if height * width > _LARGEST_WINDOW:
        raise UsageError(f"a tile of {height} x {width} pixels is too large")
    stride = int(np.gcd.reduce([grid, height, width]))
    if fixed and field.radius is None:  # a guess at the stride must leave room for a halo
        stride = int(np.gcd.reduce([stride, max(height // 4, 1), max(width // 4, 1)]))
    halo = _halo(network, options, field, stride, min(height, width))
    try:
        tiling = Tiling(
            height=height, width=width, padding=halo.padding, stride=stride, fixed=fixed,
            margin=network.margin, radius=field.radius, overlapping=options.blend == "hann",
            flexible=_is_free(network, options, field),
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(str(error)) from error
    notes = [] if halo.note is None else [halo.note]
    if most is not None and height * width > most:
        notes.append(
            f"a tile of {height} x {width} pixels may need more memory than was allowed: the model takes no smaller one"
        )
    return tiling, tuple(notes)


def _tile_size(
    network: Network, options: RunOptions, field: ReceptiveField, grid: int, most: int | None
) -> tuple[int, int]:
    """Return the window size on the grid: the network's only one, else what was asked.

    Where nothing was asked and the network looks a known distance, the size cannot change
    the answer and is chosen for little halo: with 32 pixels an eighth is computed twice.
    """
    asked = options.tile_size or options.nominal_tile or (DEFAULT_TILE, DEFAULT_TILE)
    if options.tile_size is None and field.radius is not None:
        wanted = field.radius if options.padding is None else options.padding
        halo = round_up(max(wanted, network.margin), grid)
        side = max(_core(network, options, field, halo, grid) + 2 * halo, *asked, 4 * halo)
        if most is not None:
            side = max(min(side, math.isqrt(most) // grid * grid), _LEAST_CORE + 2 * halo)
        asked = (side, side)
    free = tuple(max(round_up(side, grid), 2 * grid) for side in asked)
    return network.height or free[0], network.width or free[1]


def _is_free(network: Network, options: RunOptions, field: ReceptiveField) -> bool:
    """Return whether the size of a window changes nothing but what is computed twice."""
    return (
        field.radius is not None
        and network.height is None
        and network.width is None
        and options.blend != "hann"
        and options.tile_size is None
    )


def _core(
    network: Network, options: RunOptions, field: ReceptiveField, halo: int, grid: int
) -> int:
    """Return the side of a core: larger than the least where the network takes little memory."""
    if not _is_free(network, options, field) or not network.bytes_per_pixel:
        return _CORE
    roomy = math.isqrt(int(min(_ROOMY, total_memory() // _SHARE) / network.bytes_per_pixel))
    return min(max(roomy // grid * grid - 2 * halo, _CORE), _LARGEST_CORE)


def _halo(
    network: Network, options: RunOptions, field: ReceptiveField, stride: int, tile: int
) -> _Halo:
    """Return the halo: what was asked, else the measured radius, else a quarter of the tile.

    Windows to be blended overlap by half, unless something else is asked.
    """
    if options.padding is not None:
        padding = round_up(options.padding, stride)
        if field.radius is None or padding >= field.radius or options.blend == "hann":
            return _Halo(padding)
        return _Halo(
            padding,
            f"padding {padding} is less than the {field.radius} pixels the model looks: seams"
            " are possible",
        )
    quarter = max(tile // 4 // stride * stride, round_up(network.margin, stride))
    if options.blend == "hann":
        return _Halo(quarter)
    if field.radius is None:
        return _Halo(quarter, _GLOBAL)
    wanted = round_up(max(field.radius, network.margin), stride)
    if 2 * wanted < tile:
        return _Halo(wanted)
    return _Halo(
        quarter,
        f"the model looks {field.radius} pixels far, too far for its tile: seams are possible",
    )
