"""New files of features: which formats there are, and polygons in any of them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from ..catalog.errors import OutputError, UsageError, first_line
from .places import check_place
from .publish import draft_folder, publish

DRIVERS = {
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".fgb": "FlatGeobuf",
    ".parquet": "Parquet",
    ".geoparquet": "Parquet",
}
"""What the suffix of a file means."""
_ERRORS = (DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError, OSError)
_LEAST_DIGITS, _MOST_DIGITS = 7, 15


def check_target(path: Path, option: str, drivers: dict[str, str] = DRIVERS) -> str:
    """Return the driver of a file that is to be written, before anything is made.

    Args:
        path: The file.
        option: What the user gave it for, to complain about.
        drivers: What suffixes may be.

    Raises:
        UsageError: Something has that name, the suffix means nothing here, its folder is not
            there, or what writes it is not installed.
    """
    driver = drivers.get(path.suffix.lower())
    if path.suffix.lower() == ".shp":
        raise UsageError(
            f"{option} {path}: a Shapefile cuts names of columns to 10 characters and texts to 254, and"
            " knows neither times nor empty numbers; .gpkg opens in ArcGIS and QGIS as well"
        )
    if driver is None:
        raise UsageError(f"{option} {path}: give it a name that ends in {', '.join(drivers)}")
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} exists and is left alone; choose another name")
    if driver == "Parquet" and find_spec("pyarrow") is None:
        raise UsageError(f"{path}: GeoParquet needs pyarrow; pip install 'pixelcat[parquet]'")
    check_place(path)
    return driver


@contextmanager
def working_folder(path: Path) -> Iterator[Path]:
    """Give an empty hidden folder beside a file to be; it is removed at the end.

    Raises:
        OutputError: It cannot be made.
    """
    with draft_folder(path) as folder:
        try:
            folder.mkdir()
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        yield folder


def write_frame(frame: geopandas.GeoDataFrame, path: Path, folder: Path) -> None:
    """Write a frame of numbers and texts to a file that is there whole or not at all.

    GeoJSON is in longitude and latitude, as RFC 7946 wants it, with as many decimals as keep
    the coordinates apart.

    Args:
        frame: With a reference system.
        path: The file; see :func:`check_target`.
        folder: For the draft, on the same disk.

    Raises:
        OutputError: The disk or GDAL refused.
    """
    draft = folder / path.name
    driver = DRIVERS[path.suffix.lower()]
    try:
        if driver == "Parquet":
            frame.to_parquet(draft, schema_version="1.1.0")
        else:
            pyogrio.write_dataframe(frame, draft, driver=driver, layer=path.stem,
                                    **_options(driver, frame))  # fmt: skip
        publish(draft, path)
    except _ERRORS as error:
        raise OutputError(f"cannot write {path}: {first_line(error)}") from error


def _options(driver: str, frame: geopandas.GeoDataFrame) -> dict[str, dict[str, str]]:
    if driver == "GPKG":
        return {"dataset_options": {"VERSION": "1.3"}}
    if driver == "GeoJSON":
        precision = str(digits(frame))
        return {"layer_options": {"RFC7946": "YES", "COORDINATE_PRECISION": precision}}
    return {}


def digits(frame: geopandas.GeoDataFrame) -> int:
    """Return how many decimals tell coordinates in degrees apart: a hundredth of the shortest edge."""
    points, rings = shapely.get_coordinates(frame.geometry.values, return_index=True)
    steps = np.abs(np.diff(points, axis=0))[np.diff(rings) == 0].max(axis=1, initial=0.0)
    steps = steps[steps > 0]
    if not len(steps):
        return _LEAST_DIGITS
    return min(_MOST_DIGITS, max(_LEAST_DIGITS, 2 - math.floor(math.log10(steps.min()))))
