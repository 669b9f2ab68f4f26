"""The options about the environment, as ArcGIS calls it: what of the ground, on which grid."""

import functools
from collections.abc import Callable
from typing import Any

import click

_OPTIONS = (
    click.option(
        "--extent", metavar="XMIN,YMIN,XMAX,YMAX|FILE",
        help="Only pixels in this rectangle, or in the bounds of a layer or raster.",
    ),
    click.option(
        "--extent-crs", metavar="CRS",
        help="What the numbers of --extent are in.  [default: what each raster is in]",
    ),
    click.option(
        "--mask", metavar="FILE",
        help="Only pixels whose centre lies in the polygons of a layer, or in a raster where"
        " it has data. One of several layers: FILE|layername=NAME.",
    ),
    click.option(
        "--cell-size", metavar="N",
        help="Resample rasters before they are classified, in units of their reference system.",
    ),
    click.option(
        "--snap", metavar="RASTER", help="Align the grid to that of a raster; resamples too."
    ),
    click.option(
        "--crs", metavar="CRS",
        help="Bring rasters to this reference system before they are classified, as EPSG:n.",
    ),
    click.option(
        "--nodata", metavar="VALUE[,VALUE...]",
        help="Value that marks NoData, for files that do not declare it; or one per band.",
    ),
)  # fmt: skip
_NAMES = ("extent", "extent_crs", "mask", "cell_size", "snap", "crs", "nodata")


def environment_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options about the environment; the command gets them as one dictionary."""

    @functools.wraps(command)
    def collected(*args: Any, **given: Any) -> Any:
        environment = {name: given.pop(name) for name in _NAMES}
        return command(*args, environment=environment, **given)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected


bands_option = click.option(
    "--bands", metavar="LIST",
    help="Bands that the model takes, in its order: numbers from 0, or names. The same as"
    " --arg bands=...",
)  # fmt: skip
