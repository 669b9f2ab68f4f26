"""The environment of a run, from what a user says: parsed and checked before anything is made."""

import difflib
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..catalog.errors import ItemError, SourceError, UsageError
from ..io import srs, watch
from ..io.environment import Environment
from ..io.extent import Extent
from ..io.grid import GridOptions, Snap
from ..io.image import open_image
from ..io.map_system import METHODS, MapSystem
from ..io.mask import Mask
from .argument_texts import as_text
from .numbers import finite_number

Value = TypeVar("Value")
_HALF, _CIRCLE = 180.0, 360.0
"""Degrees."""

NAMES = (
    *("extent", "extent_crs", "cell_size", "snap", "mask", "crs", "nodata"),
    *("map_crs", "map_resampling"),
)
_OF_ARCGIS = {"snapraster": "snap", "outputcoordinatesystem": "crs"}
"""What ArcGIS calls them where that is another word."""


def environment_of(given: Mapping[str, Any]) -> Environment:
    """Return the environment that a user asks for.

    Args:
        given: Values by name, as text or as Python values; None where nothing is asked.

    Raises:
        UsageError: An unknown name or a value that cannot be meant.
        SourceError: A file cannot be used.
    """
    said: dict[str, str] = {}
    for name, value in given.items():
        known = _known(name)
        if value is not None and known in said:
            raise UsageError(f"environment {name} is given twice")
        if value is not None:
            said[known] = os.fspath(value) if isinstance(value, os.PathLike) else as_text(value)
    if "extent_crs" in said and "extent" not in said:
        raise UsageError("--extent-crs says what --extent is in; give both")
    if said.get("map_resampling", "nearest").strip().lower() not in METHODS:
        raise UsageError(
            f"--map-resampling {said['map_resampling']}: expected {' or '.join(METHODS)}"
        )
    if "map_resampling" in said and "map_crs" not in said:
        raise UsageError("--map-resampling says how --map-crs is done; give both")
    return Environment(
        extent=_optional(said, "extent", lambda text: _extent(text, said.get("extent_crs"))),
        mask=_optional(said, "mask", lambda text: Mask.of_file(*_file("--mask", text))),
        grid=GridOptions(
            cell_size=_optional(said, "cell_size", _cell_size),
            crs=_optional(said, "crs", lambda text: _crs("--crs", text)),
            snap=_optional(said, "snap", _snap),
        ),
        nodata=_optional(said, "nodata", _nodata) or (),
        map_system=_optional(
            said, "map_crs", lambda text: _map_system(text, said.get("map_resampling", "nearest"))
        ),
    )


def _known(name: str) -> str:
    plain = name.lower().replace("_", "").replace("-", "")
    names = {each.replace("_", ""): each for each in NAMES} | _OF_ARCGIS
    if plain not in names:
        near = difflib.get_close_matches(plain, names, n=1)
        hint = f"did you mean {names[near[0]]}?" if near else f"known are {', '.join(NAMES)}"
        raise UsageError(f"environment {name} is unknown; {hint}")
    return names[plain]


def _optional(said: Mapping[str, str], name: str, parse: Callable[[str], Value]) -> Value | None:
    if name not in said:
        return None
    option = f"--{name.replace('_', '-')} {said[name]}"
    try:
        with watch.reading(option):
            return parse(said[name])
    except ItemError as error:
        raise SourceError(f"{option}: {error}") from error


def _extent(text: str, crs: str | None) -> Extent:
    """Return an extent given as four numbers, or that of a file."""
    numbers = _numbers(text.replace(",", " "))
    if numbers is None and (text.count(",") != 3 or Path(text).exists()):
        extent = Extent.of_file(*_file("--extent", text))
        if crs is None:
            return extent
        if extent.crs is not None:
            raise UsageError(
                f"--extent {text} says its own reference system; leave out --extent-crs"
            )
        return Extent(bounds=extent.bounds, crs=_crs("--extent-crs", crs))
    if numbers is None or len(numbers) != 4:
        raise UsageError(f"--extent {text}: expected xmin,ymin,xmax,ymax, or a file")
    west, south, east, north = numbers
    system = None if crs is None else _crs("--extent-crs", crs)
    if west == east or south >= north or (west > east and not _may_cross(west, east, system)):
        raise UsageError(f"--extent {text}: nothing lies between; expected xmin,ymin,xmax,ymax")
    if west > east and west - east < _HALF:
        raise UsageError(
            f"--extent {text}: nothing lies between, unless {_CIRCLE + east - west:g} degrees across"
            f" the 180th meridian are meant: {west:g},{south:g},{east + _CIRCLE:g},{north:g}"
        )
    return Extent(bounds=(west, south, east, north), crs=system)


def _may_cross(west: float, east: float, crs: str | None) -> bool:
    """Return whether a west beyond the east may mean across the 180th meridian, as in GeoJSON."""
    degrees = -_HALF <= east < west <= _HALF and west - east < _CIRCLE
    return degrees if crs is None else degrees and srs.circle(crs) is not None


def _numbers(text: str) -> tuple[float, ...] | None:
    try:
        return tuple(map(finite_number, text.split()))
    except ValueError:
        return None


def _cell_size(text: str) -> float:
    numbers = _numbers(text) or (0.0,)
    if len(numbers) != 1 or numbers[0] <= 0:
        raise UsageError(
            f"--cell-size {text}: expected a number above 0, in units of the reference system"
        )
    return numbers[0]


def _nodata(text: str) -> tuple[float, ...]:
    numbers = _numbers(text.replace(",", " "))
    if not numbers or any(map(math.isnan, numbers)):
        raise UsageError(f"--nodata {text}: expected a number, or one per band with commas")
    return numbers


def _crs(option: str, text: str) -> str:
    name = f"EPSG:{text}" if text.strip().isdigit() else text
    try:
        known = srs.definition(name)
    except ValueError:
        raise UsageError(
            f"{option} {text} is no reference system; write it as EPSG:32632 or as WKT"
        ) from None
    if not srs.is_map(known):
        raise UsageError(
            f"{option} {text} is no map; give a projected system, or a geographic 2D one"
        )
    return srs.short_name(known)


def _map_system(crs: str, resampling: str) -> MapSystem:
    return MapSystem(crs=_crs("--map-crs", crs), resampling=resampling.strip().lower())


def _snap(text: str) -> Snap:
    from ..io.layer_shapes import is_layer  # and with it GDAL

    path, _ = _file("--snap", text)
    if is_layer(path):
        raise UsageError(f"--snap {text} is no raster")
    try:
        with open_image(path) as image:
            if image.transform is None:
                raise ItemError("has no place on the ground")
            if not image.transform.is_rectilinear:
                raise ItemError("is rotated: no grid with north up can be aligned to it")
            x, y = image.transform @ (0, 0)
            crs = image.crs and srs.short_name(image.crs)
    except ItemError as error:
        raise SourceError(f"--snap {text}: {error}") from error
    return Snap(x=x, y=y, crs=crs, path=str(path.resolve()))


def _file(option: str, text: str) -> tuple[Path, str | None]:
    """Return a file and the layer of it that is meant, written as in QGIS."""
    name, _, layer = text.partition("|layername=")
    if not Path(name).exists():
        raise SourceError(f"{option} {name}: no such file")
    return Path(name), layer or None
