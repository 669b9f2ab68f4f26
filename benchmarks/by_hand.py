"""The loop that people write: chips with a halo, ``model.predict``, ``np.argmax``."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

_CHIP, _HALO, _BATCH = 256, 32, 16
_CORE = _CHIP - 2 * _HALO


def classify(scene: Path, model: Path, rows: int) -> None:
    """Classify the first ``rows`` rows of a scene, and write them as a GeoTIFF."""
    import keras

    network = keras.models.load_model(model)
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder, rasterio.open(scene) as source:
        profile = {**source.profile, "count": 1, "nodata": None, "height": rows}
        with rasterio.open(Path(folder) / "classes.tif", "w", **profile) as target:
            places = [
                (row, column)
                for row in range(0, rows, _CORE)
                for column in range(0, source.width, _CORE)
            ]
            for first in range(0, len(places), _BATCH):
                _classify_batch(network, source, target, places[first : first + _BATCH])


def _classify_batch(
    network: Any, source: DatasetReader, target: DatasetWriter, places: list[tuple[int, int]]
) -> None:
    chips = np.stack([_chip(source, *place) for place in places])
    classes = np.argmax(network.predict(chips, verbose=0), axis=-1).astype(np.uint8)
    for (row, column), answer in zip(places, classes, strict=True):
        height = min(_CORE, target.height - row)
        width = min(_CORE, target.width - column)
        core = answer[_HALO : _HALO + height, _HALO : _HALO + width]
        target.write(core, 1, window=Window(column, row, width, height))


def _chip(source: DatasetReader, row: int, column: int) -> NDArray[np.float32]:
    window = Window(column - _HALO, row - _HALO, _CHIP, _CHIP)
    pixels = source.read(window=window, boundless=True, fill_value=0)
    return np.moveaxis(pixels, 0, -1).astype(np.float32)
