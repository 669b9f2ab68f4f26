"""A scene of any size: texture at all scales, some NoData, tiled and compressed as usual."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rasterio.windows import Window

BLOCK = 512
_SEED_SIDE = 64


def write(path: Path, size: int) -> None:
    """Write a scene of ``size`` x ``size`` pixels, three bands of uint8, NoData 0.

    A slanted stripe has no data, so that hardly any window is without some.
    """
    profile = {
        "driver": "GTiff", "width": size, "height": size, "count": 3, "dtype": "uint8",
        "nodata": 0, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK,
        "compress": "DEFLATE", "crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 1, 1),
    }  # fmt: skip
    random = np.random.default_rng(0)
    with rasterio.open(path, "w", **profile) as scene:
        for row in range(0, size, BLOCK):
            height = min(BLOCK, size - row)
            pixels = np.stack([texture(random, height, size) for _ in range(3)])
            rows, columns = np.ogrid[row : row + height, :size]
            pixels[:, (columns + rows // 4) % BLOCK < BLOCK // 64] = 0
            scene.write(pixels, window=Window(0, row, size, height))


def texture(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Return one band of noise at three scales, 1 to 255; DEFLATE leaves 0.9 of it, as of Landsat."""
    values = np.zeros((height, width), np.float32)
    for factor, weight in ((_SEED_SIDE, 60.0), (8, 15.0), (1, 2.0)):
        coarse = random.standard_normal((-(-height // factor), -(-width // factor)))
        full = np.repeat(np.repeat(coarse.astype(np.float32), factor, 0), factor, 1)
        values += weight * full[:height, :width]
    return np.clip(values + 128, 1, 255).astype(np.uint8)


def cut(scene: Path, path: Path, height: int, width: int) -> None:
    """Write the upper left part of a scene as a file of its own."""
    with rasterio.open(scene) as source:
        profile = {**source.profile, "height": height, "width": width}
        with rasterio.open(path, "w", **profile) as target:
            for row in range(0, height, BLOCK):
                window = Window(0, row, width, min(BLOCK, height - row))
                target.write(source.read(window=window), window=window)


def shape(scene: Path) -> tuple[int, int]:
    """Return the height and the width of a scene."""
    with rasterio.open(scene) as source:
        return source.height, source.width
