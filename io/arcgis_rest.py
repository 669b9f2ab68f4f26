"""What ArcGIS Server says of its services, and of the places in them."""

from collections.abc import Mapping
from typing import Any

from ..catalog.errors import ItemError
from . import srs
from .rectangles import Bounds
from .service_scan import with_query
from .told import mapping, number, whole
from .web import ask_json

_PIXEL_TYPES = {
    **dict.fromkeys(("U1", "U2", "U4", "U8", "UNKNOWN"), "uint8"),
    "S8": "int8",
    "U16": "uint16",
    "S16": "int16",
    "U32": "uint32",
    "S32": "int32",
    "F32": "float32",
    "F64": "float64",
}


def description(url: str, key: str) -> dict[str, Any]:
    """Return what a service says of itself.

    Args:
        url: Of the service.
        key: A key that only a service of the right kind has.

    Raises:
        ItemError: It says nothing, or is another one.
    """
    said = ask_json(f"{url}?f=json")
    if key not in said:
        raise ItemError(f"says nothing of {key}: it is no such service")
    return said


def system_of(said: Mapping[str, Any]) -> tuple[str, str]:
    """Return the reference system of an extent: as WKT, and as the service knows it.

    Raises:
        ItemError: We do not know it.
    """
    given = mapping(said.get("spatialReference") or {}, "spatialReference")
    for code in (given.get("latestWkid"), given.get("wkid")):
        for authority in ("EPSG", "ESRI"):
            known = srs.describe(f"{authority}:{code}") if code else None
            if known is not None:
                return known.definition, str(code)
    known = srs.describe(str(given.get("wkt") or given.get("wkt2") or "")) if given else None
    if known is not None and known.code:
        return known.definition, str(known.code)
    raise ItemError("is in a reference system without a number; give --crs EPSG:n")


def system_asked(crs: str) -> tuple[str, str]:
    """Return a reference system that a user gave, as WKT and as a service knows it.

    Raises:
        ItemError: It has no number.
    """
    known = srs.describe(crs)
    if known is None or not known.code:
        raise ItemError("takes reference systems by number only; give --crs as EPSG:n")
    return known.definition, str(known.code)


def bounds_in(said: Mapping[str, Any]) -> Bounds:
    """Return an extent as numbers.

    Raises:
        ItemError: It has none.
    """
    sides = ("xmin", "ymin", "xmax", "ymax")
    west, south, east, north = (number(said.get(side), f"{side} of its extent") for side in sides)
    if west >= east or south >= north:
        raise ItemError("says an extent that is empty or reversed")
    return west, south, east, north


def side_limit(said: Mapping[str, Any], default: int) -> int:
    """Return how many pixels of a side a service draws.

    Raises:
        ItemError: It says something else than numbers.
    """
    names = ("maxImageWidth", "maxImageHeight")
    return min(whole(said.get(name) or default, name) for name in names)


def pixel_type(said: Mapping[str, Any]) -> str:
    """Return the type of the pixels of an image service.

    Raises:
        ItemError: One that we do not read.
    """
    name = str(said.get("pixelType", ""))
    if name not in _PIXEL_TYPES:
        raise ItemError(f"has pixels of type {name}, which cannot be read")
    return _PIXEL_TYPES[name]


def drawing(url: str, number: str, image_format: str, **more: object) -> str:
    """Return the template of the address of what a service draws.

    Args:
        url: Of the operation.
        number: Of the reference system, as the service knows it.
        image_format: As the service calls it.
        more: What else is asked; None for what is not.
    """
    asked = {"f": "image", "format": image_format, "bboxSR": number, "imageSR": number, **more}
    return f"{with_query(url, **asked)}&bbox={{west}},{{south}},{{east}},{{north}}&size={{width}},{{height}}"
