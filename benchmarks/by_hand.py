"""The loop that people write: chips with a halo, ``model.predict``, ``np.argmax``."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

CHIP, HALO = 256, 32
"""Pixels a side of what the model is asked about, halo included; pixels that people let overlap."""
_BATCH = 16


def classify(scene: Path, model: Path, rows: int, halo: int = HALO) -> None:
    """Classify the first ``rows`` rows of a scene, and write them as a GeoTIFF."""
    import keras

    network, core = keras.models.load_model(model), CHIP - 2 * halo
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder, rasterio.open(scene) as source:
        profile = {**source.profile, "count": 1, "nodata": None, "height": rows}
        with rasterio.open(Path(folder) / "classes.tif", "w", **profile) as target:
            places = [
                (row, column)
                for row in range(0, rows, core)
                for column in range(0, source.width, core)
            ]
            for first in range(0, len(places), _BATCH):
                _classify_batch(network, source, target, places[first : first + _BATCH], halo)


def _classify_batch(
    network: Any, source: DatasetReader, target: DatasetWriter, places: list[tuple[int, int]],
    halo: int,
) -> None:  # fmt: skip
    side = CHIP - 2 * halo
    chips = np.stack([_chip(source, row - halo, column - halo) for row, column in places])
    classes = np.argmax(network.predict(chips, verbose=0), axis=-1).astype(np.uint8)
    for (row, column), answer in zip(places, classes, strict=True):
        height = min(side, target.height - row)
        width = min(side, target.width - column)
        core = answer[halo : halo + height, halo : halo + width]
        target.write(core, 1, window=Window(column, row, width, height))


def _chip(source: DatasetReader, row: int, column: int) -> NDArray[np.float32]:
    window = Window(column, row, CHIP, CHIP)
    pixels = source.read(window=window, boundless=True, fill_value=0)
    return np.moveaxis(pixels, 0, -1).astype(np.float32)
