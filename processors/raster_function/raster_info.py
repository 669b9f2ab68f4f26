"""What a raster function is told of a raster, in the words of ArcGIS."""

from typing import Any

import numpy as np
from affine import Affine

from ...io.image import Window
from ...io.srs import describe
from ..batch import Place

NOMINAL_BANDS = 3
NOMINAL = Place(
    item_id=-1,
    window=Window(0, 0, 1024, 1024),
    width=1024,
    height=1024,
    bands=NOMINAL_BANDS,
    dtype="uint8",
    transform=None,
    crs=None,
)
"""The raster of a preparation, when no image is open yet."""

_PIXELS = Affine.scale(1, -1)
"""Column and row of a photo to x and y: a pixel is a unit, y points up."""


def pixel_type(dtype: str) -> str:
    """Return a NumPy type as ArcGIS writes it: ``u1``, ``f4``."""
    kind = np.dtype(dtype)
    return f"{kind.kind}{kind.itemsize}"


def raster_info(place: Place, bands: int, dtype: str) -> dict[str, Any]:
    """Return the facts of a raster.

    Args:
        place: A window of it.
        bands: How many the function gets.
        dtype: Their type.
    """
    facts = _facts(place)
    return {
        "bandCount": bands,
        "pixelType": pixel_type(dtype),
        "noData": None,
        "cellSize": facts["cellSize"],
        "extent": facts["extent"],
        "nativeExtent": facts["extent"],
        "spatialReference": facts["spatialReference"],
        "nativeSpatialReference": facts["spatialReference"],
        "origin": (facts["extent"][0], facts["extent"][3]),
        "width": place.width,
        "height": place.height,
        "bandSelection": False,
        "colormap": (),
        "histogram": (),
        "statistics": (),
        "levelOfDetails": 0,
        "geodataXform": "",
        "resampling": False,
    }


def block_props(place: Place, output_type: str) -> dict[str, Any]:
    """Return what ``updatePixels`` is told of the output raster."""
    size = {"width": place.width, "height": place.height}
    return {**_facts(place), **size, "pixelType": output_type, "noData": None}


def top_left(place: Place, padding: int) -> tuple[float, float]:
    """Return the map position of the top left corner of an output block."""
    transform = place.transform or _PIXELS
    x, y = transform @ (place.window.column + padding, place.window.row + padding)
    return float(x), float(y)


def _facts(place: Place) -> dict[str, Any]:
    transform = place.transform or _PIXELS
    corners = [
        transform @ corner
        for corner in ((0, 0), (place.width, 0), (0, place.height), (place.width, place.height))
    ]
    xs, ys = zip(*corners, strict=True)
    return {
        "extent": tuple(map(float, (min(xs), min(ys), max(xs), max(ys)))),
        "cellSize": (
            float(np.hypot(transform.a, transform.d)),
            float(np.hypot(transform.b, transform.e)),
        ),
        "spatialReference": _reference(place.crs),
    }


def _reference(crs: str | None) -> int | str:
    """Return the EPSG number, else the WKT text; 0 for a photo."""
    if crs is None:
        return 0
    srs = describe(crs)
    return srs.code if srs is not None and srs.organization == "EPSG" else crs
