"""Stands in for ArcGIS's ``prf_utils``: cutting blocks into the chips of a batch and back."""

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray


def calculate_rectangle_size_from_batch_size(batch_size: int) -> tuple[int, int]:
    """Return rows and columns of the rectangle of so many chips that is most like a square."""
    rows = next(n for n in range(int(batch_size**0.5) + 1, 0, -1) if batch_size % n == 0)
    return min(rows, batch_size // rows), max(rows, batch_size // rows)


def get_tile_size(
    model_height: int, model_width: int, padding: int, batch_height: int, batch_width: int
) -> tuple[int, int]:
    """Return height and width of a block: what so many chips answer for."""
    return (model_height - 2 * padding) * batch_height, (model_width - 2 * padding) * batch_width


def tile_to_batch(
    pixel_block: NDArray[Any],
    model_height: int,
    model_width: int,
    padding: int,
    fixed_tile_size: bool = True,
    **kwargs: Any,
) -> tuple[NDArray[Any], int, int]:
    """Cut a block (bands, height, width) into chips, row by row; short ones end in zeros.

    Args:
        pixel_block: The block with its padding.
        model_height: Of a chip.
        model_width: Of a chip.
        padding: By which a chip reaches beyond what it answers for, at each side.
        fixed_tile_size: Whether the number of chips is given, as batch_height and batch_width.
        kwargs: These two.

    Returns:
        Chips (n, bands, height, width), and the rows and columns of chips.
    """
    step_down, step_right = model_height - 2 * padding, model_width - 2 * padding
    bands, height, width = pixel_block.shape
    rows = -(-(height - 2 * padding) // step_down)
    columns = -(-(width - 2 * padding) // step_right)
    if fixed_tile_size:
        rows, columns = kwargs["batch_height"], kwargs["batch_width"]
    chips = np.zeros((rows, columns, bands, model_height, model_width), pixel_block.dtype)
    for row in range(rows):
        for column in range(columns):
            top, left = row * step_down, column * step_right
            part = pixel_block[:, top : top + model_height, left : left + model_width]
            chips[row, column, :, : part.shape[1], : part.shape[2]] = part
    return chips.reshape(-1, bands, model_height, model_width), rows, columns


def batch_to_tile(batch: NDArray[Any], batch_height: int, batch_width: int) -> NDArray[Any]:
    """Put chips (n, bands, height, width) together again, row by row: (bands, height, width)."""
    _, bands, height, width = batch.shape
    grid = batch[: batch_height * batch_width].reshape(
        batch_height, batch_width, bands, height, width
    )
    return grid.transpose(2, 0, 3, 1, 4).reshape(bands, batch_height * height, batch_width * width)


def get_available_device(max_memory: float = 0.8) -> int:
    """Return the first GPU where there is one, else -1 for the CPU."""
    return int(import_module("arcpy.ia.util").get_available_device(max_memory))
