"""What a run holds besides windows, and whether all of it stays below a limit.

Rows grow with the width of a raster: class values, the rasters beside them, sums to be blended.
Verifying takes larger windows. How much that is shows once the model is loaded.
"""

import math

import numpy as np

from ..catalog.errors import UsageError
from ..io.pyramid import BLOCK
from ..io.raster_out import raster_type
from .classifier import Classifier, Prepared
from .memory import FOR_NETWORK
from .windows import Tiling
from .work import Work

_TWICE = 2
"""Rows are held a second time, on their way into file and overviews."""
_OF_EXTRAS = 3
"""Rows of windows of rasters beside the class raster that are there at a time."""
_OF_BLOCKS = 5
"""Times that a row of blocks of them is there: waiting, put together, copied band by band, halved.
Measured."""
_OF_SUMS = 4
"""Times that a row of sums is there: windows overlap by half of each other, and are decided on."""
_SUMS = 5
"""Bytes for each pixel whose scores are added up, beside four for each class."""


def row_bytes(classifier: Classifier, width: int) -> int:
    """Return what one row of pixels takes until it is written."""
    values, _ = raster_type([each.value for each in classifier.classes])
    pixel = np.dtype(values).itemsize * _TWICE
    for extra in classifier.extras:
        pixel += len(extra.bands) * np.dtype(extra.dtype).itemsize * _OF_EXTRAS
    if classifier.blending is not None:
        pixel += (4 * len(classifier.classes) + _SUMS) * _OF_SUMS
    return pixel * width


def block_bytes(classifier: Classifier, work: Work) -> int:
    """Return what rows of blocks of rasters beside the class raster take, whatever the windows."""
    pixel = sum(len(each.bands) * np.dtype(each.dtype).itemsize for each in classifier.extras)
    return pixel * work.width * min(BLOCK, work.height) * _OF_BLOCKS


def reserve_for(prepared: Prepared, work: Work, free: int) -> int:
    """Return how many bytes of a limit the model must leave for what else there is.

    Args:
        prepared: The model, as it is without that.
        work: What is to be done.
        free: Bytes that the limit leaves besides what the process holds.

    Returns:
        0 where everything fits beside the largest windows.
    """
    if prepared.network is None:
        return 0
    per_pixel = prepared.network.bytes_per_pixel / FOR_NETWORK
    blocks = block_bytes(prepared.classifier, work)
    free = max(free - blocks, 0)
    row = row_bytes(prepared.classifier, work.width)
    tall, wide = _window(prepared.classifier, work)
    batch = prepared.classifier.batch_of(tall, wide)
    if batch * tall * wide * per_pixel + min(tall, work.height) * row <= free:
        return blocks
    side = (math.sqrt(row * row + 4 * per_pixel * free) - row) / (2 * per_pixel)
    more = _tiling(prepared.classifier, work).height - prepared.classifier.tiling.height
    side = max(side - more, 1.0)
    return blocks + max(0, int(free - side * side * per_pixel))


def check_fits(prepared: Prepared, work: Work, free: int, limit: int) -> None:
    """Refuse a limit that the smallest windows cannot keep.

    Raises:
        UsageError: It is too low; says what would do.
    """
    if prepared.network is None:
        return
    row = row_bytes(prepared.classifier, work.width)
    tall, wide = _window(prepared.classifier, work)
    needed = int(tall * wide * prepared.network.bytes_per_pixel + min(tall, work.height) * row)
    needed += block_bytes(prepared.classifier, work)
    if needed > free:
        at_least = (limit - free + needed >> 20) + 1
        raise UsageError(
            f"--max-memory {limit >> 20}M cannot be kept: a window of {tall} x {wide} pixels"
            f" and the rows of {work.image} ({work.width} pixels wide) take about"
            f" {(needed >> 20) + 1}M besides the {limit - free >> 20}M that pixelcat holds with"
            f" this model; give {at_least}M or more"
        )


def _window(classifier: Classifier, work: Work) -> tuple[int, int]:
    """Return height and width of the windows."""
    return _tiling(classifier, work).window_of(work.height, work.width)


def _tiling(classifier: Classifier, work: Work) -> Tiling:
    return classifier.rechecking().tiling if work.is_verified else classifier.tiling
