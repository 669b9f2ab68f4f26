"""How long a mosaic of many rasters takes to open, and how many of them a window opens."""

import argparse
import math
import tempfile
import time
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine

from pixelcat.io.image import Window, open_image
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import reader, scan

SIDE = 64
"""Pixels of each raster."""
CRS = "EPSG:32631"


def main() -> None:
    """Make the rasters and the index, and print what is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5_000, help="rasters in the index")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pixelcat-mosaic-") as folder:
        path, across = make(Path(folder), asked.count)
        seconds = min(scanned(path) for _ in range(asked.rounds))
        print(f"{asked.count} rasters in a tile index")
        print(f"scan, with size and time of every raster: {seconds:.3f} s")
        for _ in range(asked.rounds):
            measure(path, across)


def make(folder: Path, count: int) -> tuple[Path, int]:
    """Write rasters in a square and their index; the index, and how many lie side by side."""
    across = math.ceil(math.sqrt(count))
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE), np.uint8)
    boxes, names = [], []
    for number in range(count):
        row, column = divmod(number, across)
        place = Affine(10, 0, 5e5 + column * SIDE * 10, 0, -10, 5e6 - row * SIDE * 10)
        names.append(f"t{number:05}.tif")
        with rasterio.open(
            folder / names[-1], "w", driver="GTiff", count=3, height=SIDE, width=SIDE,
            dtype="uint8", crs=CRS, transform=place,
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
        boxes.append(shapely.box(*dataset.bounds))
    path = folder / "tiles.gti.gpkg"
    geopandas.GeoDataFrame({"location": names}, geometry=boxes, crs=CRS).to_file(path)
    return path, across


def scanned(path: Path) -> float:
    """Return the seconds of a scan that describes the mosaic as an item."""
    started = time.perf_counter()
    (found,) = scan(path, options=ScanOptions())
    (item,) = found.items
    if item.status != "ready":
        raise SystemExit(item.reason)
    return time.perf_counter() - started


def measure(path: Path, across: int) -> None:
    """Print the seconds of opening, and of reading where four rasters meet."""
    (found,) = scan(path, options=ScanOptions())
    (item,) = found.items
    with reader(found.dataset) as fetch:
        started, busy = time.perf_counter(), time.process_time()
        with open_image(fetch(item)) as image:
            opening, busy = time.perf_counter() - started, time.process_time() - busy
            corner = across // 2 * SIDE - SIDE // 2
            started = time.perf_counter()
            image.read(Window(corner, corner, SIDE, SIDE), (0, 1, 2))
            reading = time.perf_counter() - started
            opened = image.times_opened  # type: ignore[attr-defined]
            print(
                f"open {opening:.3f} s (CPU {busy:.3f} s); a window on four rasters"
                f" {reading:.3f} s, {opened} opened"
            )


if __name__ == "__main__":
    main()
