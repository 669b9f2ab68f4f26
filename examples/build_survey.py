"""Make a survey to classify: plots with image attachments in a file geodatabase.

Real are the pixels, cut from the bundled Landsat 8 scene. The plots, the surveyors and
what they noted are made up. As in every survey, some attachments are of no use.

    python examples/build_survey.py [GEODATABASE]
"""

import shutil
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import fiona
import geopandas
import numpy as np
import pandas as pd
import rasterio
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

SCENE = Path(__file__).parent / "data" / "landsat8" / "scene.tif"
COLUMNS, ROWS = 5, 8
"""Of the grid of plots."""
WATER = 1500
"""Water is bluer than anything else here: blue less red, in digital numbers."""
CHIP = 96
"""Side of an image in pixels: 2.9 km."""
SURVEYORS = ("Aquino", "Benítez", "Duarte")
ATTACHMENTS = {
    "geometry": "None",
    "properties": {
        "REL_OBJECTID": "int32",
        "CONTENT_TYPE": "str:150",
        "ATT_NAME": "str:250",
        "DATA_SIZE": "int32",
        "DATA": "bytes",
    },
}
"""The columns of an attachment table as Esri makes it."""
WITHOUT_IMAGE, CUT_OFF, REPORT = 9, 17, 26
"""Plots with none, with one that was cut off on its way, with a PDF that is called .jpg."""
NO_PLOT = 999
SEED = 20261128


class Plot(NamedTuple):
    """A place that somebody visited."""

    number: int
    column: int
    row: int
    """Pixel of the scene."""


def main(path: Path) -> None:
    """Write the geodatabase, anew.

    Args:
        path: Where; a folder whose name ends in ``.gdb``.
    """
    rng = np.random.default_rng(SEED)
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(SCENE) as scene:
        plots = list(place_plots(scene, rng))
        layer = features(plots, scene, rng)
        attachments = [row for plot in plots for row in attached(plot, scene, rng)]
        attachments.append(attachment(NO_PLOT, "P999_1.tif", chip(scene, 400, 400)))
    layer.to_file(path, driver="OpenFileGDB", layer="plots", engine="pyogrio")
    write_attachments(path, attachments)
    print(f"{path}: {len(plots)} plots, {len(attachments)} attachments")


def place_plots(scene: DatasetReader, rng: np.random.Generator) -> Iterator[Plot]:
    """Yield a plot in each cell of a grid, somewhere on land, a chip's width from the border."""
    blue, _, red = scene.read(out_dtype="int32")
    land = blue - red < WATER
    rows = np.linspace(CHIP, scene.height - CHIP, ROWS + 1, dtype=int)
    columns = np.linspace(CHIP, scene.width - CHIP, COLUMNS + 1, dtype=int)
    for number, (row, column) in enumerate(product(range(ROWS), range(COLUMNS)), 1):
        top, left = rows[row], columns[column]
        places = np.argwhere(land[top : rows[row + 1], left : columns[column + 1]])
        down, across = rng.choice(places)
        yield Plot(number, int(left + across), int(top + down))


def features(
    plots: list[Plot], scene: DatasetReader, rng: np.random.Generator
) -> geopandas.GeoDataFrame:
    """Return the plots with made-up attributes; now and then one was not noted."""
    count = len(plots)
    numbers = np.array([plot.number for plot in plots])
    slope, stems = rng.gamma(2, 3, count).round(1), rng.poisson(14, count)
    eastings, northings = scene.xy([plot.row for plot in plots], [plot.column for plot in plots])
    return geopandas.GeoDataFrame(
        {
            "plot_id": [f"P{number:02}" for number in numbers],
            "surveyor": [SURVEYORS[number % len(SURVEYORS)] for number in numbers],
            "visited": np.datetime64("2020-05-11", "ms") + numbers // 4 * np.timedelta64(1, "D"),
            "slope": np.where(rng.random(count) < 0.1, np.nan, slope),
            "stems": pd.Series(stems, dtype="Int32").mask(rng.random(count) < 0.1),
        },
        geometry=geopandas.points_from_xy(eastings, northings),
        crs=scene.crs,
    )


def attached(
    plot: Plot, scene: DatasetReader, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Yield the attachments of a plot: one to three images, but for the unlucky plots."""
    name = f"P{plot.number:02}"
    if plot.number == WITHOUT_IMAGE:
        return
    if plot.number == REPORT:
        yield attachment(plot.number, f"{name}_1.jpg", b"%PDF-1.4\n%%EOF\n", "image/jpeg")
        return
    image = chip(scene, plot.column, plot.row)
    if plot.number == CUT_OFF:
        yield attachment(plot.number, f"{name}_1.tif", image[: len(image) // 2])
        return
    yield attachment(plot.number, f"{name}_1.tif", image)
    for index in range(2, 2 + int(rng.integers(3))):
        column, row = np.array([plot.column, plot.row]) + rng.integers(-CHIP // 2, CHIP // 2, 2)
        yield attachment(plot.number, f"{name}_{index}.tif", chip(scene, int(column), int(row)))


def chip(scene: DatasetReader, column: int, row: int) -> bytes:
    """Cut a georeferenced GeoTIFF out of the scene, around a pixel."""
    window = Window(column - CHIP // 2, row - CHIP // 2, CHIP, CHIP)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=CHIP,
            height=CHIP,
            count=scene.count,
            dtype=scene.dtypes[0],
            crs=scene.crs,
            transform=scene.window_transform(window),
            compress="deflate",
            predictor=2,
        ) as image:
            image.write(scene.read(window=window))
        return bytes(memory.read())


def attachment(
    plot: int, name: str, data: bytes, content_type: str = "image/tiff"
) -> dict[str, Any]:
    """Return a row of the attachment table."""
    return {
        "geometry": None,
        "properties": {
            "REL_OBJECTID": plot,
            "CONTENT_TYPE": content_type,
            "ATT_NAME": name,
            "DATA_SIZE": len(data),
            "DATA": data,
        },
    }


def write_attachments(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add the attachment table; pyogrio would write the images as text, fiona does not."""
    with fiona.open(
        path, "w", driver="OpenFileGDB", layer="plots__ATTACH", schema=ATTACHMENTS
    ) as table:
        table.writerecords(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo/survey.gdb"))
