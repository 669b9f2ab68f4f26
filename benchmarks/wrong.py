"""What is wrong in a class raster, against one pass of Keras over the whole image."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray

_STRIDE = 16
"""Multiple of the strides of all ``networks``; images are mirrored at their ends up to it."""
_ROUNDING = 1e-5
"""Scores are rounded differently by each library and for each shape of a batch."""


class Wrong(NamedTuple):
    """Numbers of pixels of a class raster."""

    wrong: int
    """Valid pixels with another class."""
    tied: int
    """Those of them whose class scores as much as the right one but for rounding."""
    lost: int
    """Valid pixels that have the right number, but it is declared as NoData."""
    invented: int
    """Pixels without data that have a class."""


def in_one_piece(scene: Path, model: Path) -> NDArray[np.float32]:
    """Return the scores of all pixels of a scene, (height, width, classes)."""
    import keras

    with rasterio.open(scene) as source:
        pixels = np.moveaxis(source.read(), 0, -1)
    height, width, _ = pixels.shape
    beyond = ((0, -height % _STRIDE), (0, -width % _STRIDE), (0, 0))
    whole = np.pad(pixels, beyond, mode="reflect")[np.newaxis].astype(np.float32)
    scores: NDArray[np.float32] = keras.models.load_model(model)(whole, training=False).numpy()
    return scores[0, :height, :width]


def compare(scene: Path, scores: NDArray[np.float32], answer: Path) -> Wrong:
    """Count what is wrong in a class raster of a scene."""
    with rasterio.open(scene) as source:
        valid = source.dataset_mask() > 0
    with rasterio.open(answer) as target:
        classes, answered = target.read(1), target.dataset_mask() > 0
    other = valid & (classes != np.argmax(scores, axis=-1))
    known = other & (classes < scores.shape[-1])
    found, best = scores[known, classes[known]], scores[known].max(axis=-1)
    return Wrong(
        wrong=int(other.sum()),
        tied=int((best - found < _ROUNDING).sum()),
        lost=int((valid & ~other & ~answered).sum()),
        invented=int((~valid & answered).sum()),
    )
