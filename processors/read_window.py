"""Reading one window of an image, with what stands for pixels beyond it."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.image import Image, RasterArray, Window, overlap
from ..io.part import Part
from .batch import Place
from .messages import Pixels, Task
from .windows import TileWindow, Tiling

_Beyond = tuple[tuple[int, int], tuple[int, int]]
"""Pixels beyond the image: above and below, left and right."""


def read_window(
    task: Task,
    image: Image,
    part: Part,
    window: TileWindow,
    bands: tuple[int, ...],
    tiling: Tiling,
) -> Pixels:
    """Read a window, unless nothing in it is asked for.

    Args:
        task: The image.
        image: The same, open.
        part: What of it is to get classes.
        window: What to read, and which part of it is kept.
        bands: 0-based indexes, in the order of the model.
        tiling: Says what stands for pixels beyond the image.
    """
    area, core = window
    reach = tiling.reach(window)
    inner, place = _within(core, area), Place.of(task.key, image, area)
    wanted = part.wanted(reach)
    pixels, valid = None, np.zeros((area.height, area.width), np.bool_)
    if wanted.any():
        raster, valid, beyond = _read(image, area, bands, _needed(image, part, tiling))
        pixels = _filled(raster, beyond, tiling) if valid[inner].any() else None
    kept = valid[inner] & wanted[_within(core, reach)]
    return Pixels(
        task=task, place=place, core=core, inner=inner, valid=valid, kept=kept, pixels=pixels
    )


def _within(inner: Window, outer: Window) -> tuple[slice, slice]:
    """Return where a window lies in an array of another one."""
    top, left = inner.row - outer.row, inner.column - outer.column
    return slice(top, top + inner.height), slice(left, left + inner.width)


def read_whole_window(
    image: Image, area: Window, bands: tuple[int, ...], tiling: Tiling
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the pixels of a window, (height, width, bands), and which of them are valid."""
    raster, valid, beyond = _read(image, area, bands)
    return _filled(raster, beyond, tiling), valid


def _needed(image: Image, part: Part, tiling: Tiling) -> Window | None:
    """Return the pixels that have a say in what is asked for; None for all there are.

    Others stay 0 where reading them costs requests, and the network is known not to see them.
    """
    costs = getattr(image, "is_in_pieces", False)
    if not costs or tiling.radius is None or tiling.anchored or tiling.overlapping:
        return None
    row, column, height, width = part.window
    far = tiling.radius + tiling.stride
    return Window(row - far, column - far, height + 2 * far, width + 2 * far)


def _read(
    image: Image, area: Window, bands: tuple[int, ...], needed: Window | None = None
) -> tuple[RasterArray, NDArray[np.bool_], _Beyond]:
    inside, beyond = _inside(area, image)
    within = inside if needed is None else overlap(inside, needed) or inside
    raster = image.read(within, bands)
    if within != inside:
        edges = (
            (within.row - inside.row, _end(inside)[0] - _end(within)[0]),
            (within.column - inside.column, _end(inside)[1] - _end(within)[1]),
        )
        data, valid = np.pad(raster.data, ((0, 0), *edges)), np.pad(raster.valid, edges)
        raster = replace(raster, data=data, valid=valid)
    return raster, np.pad(raster.valid, beyond), beyond


def _end(window: Window) -> tuple[int, int]:
    return window.row + window.height, window.column + window.width


def _inside(area: Window, image: Image) -> tuple[Window, _Beyond]:
    """Return the part of a window inside the image, and how many pixels lie beyond each side."""
    top, left = max(0, area.row), max(0, area.column)
    bottom = min(area.row + area.height, image.height)
    right = min(area.column + area.width, image.width)
    rows = (top - area.row, area.row + area.height - bottom)
    columns = (left - area.column, area.column + area.width - right)
    return Window(top, left, bottom - top, right - left), (rows, columns)


def _filled(raster: RasterArray, beyond: _Beyond, tiling: Tiling) -> NDArray[Any]:
    pixels = np.empty((*raster.valid.shape, len(raster.data)), raster.data.dtype)
    for band, values in enumerate(raster.data):
        pixels[..., band] = values
    if np.any(beyond):
        pixels = np.pad(pixels, (*beyond, (0, 0)), mode=tiling.fill)
    return pixels
