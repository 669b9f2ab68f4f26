"""Pixels that are to get a class, by the polygons of a layer or the NoData of a raster."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj.exceptions import ProjError
from rasterio.enums import Resampling
from rasterio.features import rasterize

from ..catalog.errors import ItemError, NotAskedError, UsageError
from . import srs
from .extent import Extent, bounds_of, copies
from .grid import Grid, same_system
from .image import Image, RasterArray, Window, open_image
from .layer_shapes import LayerShapes, read_shapes
from .mask import Mask
from .part import Limit
from .placed_shapes import around_the_globe, placed
from .rectangles import Bounds, moved
from .view import View
from .warped import Warped

_ROOM = 5e5
"""Units of a projected system around an image, in which polygons are moved vertex by vertex."""
_AREAS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@contextmanager
def inside(mask: Mask, image: Image) -> Iterator[Limit]:
    """Give what tells which pixels of an image have their centre inside; see :meth:`.Mask.over`."""
    if mask.is_raster:
        with open_image(Path(mask.path)) as raster:
            yield _valid_in(raster, image)
    else:
        is_far = _reaches_far(mask, image)
        shapes = _clipped(mask, image) if is_far else _placed(mask, image.crs)
        yield _Polygons(shapes, image).inside


class _Polygons:
    """Polygons over an image."""

    def __init__(self, shapes: NDArray[Any], image: Image) -> None:
        if image.transform is None:
            raise ValueError("polygons cannot lie over an image without a place on the ground")
        own = bounds_of(image.transform, image.width, image.height)
        self._shapes = around_the_globe(shapes, own, image.crs)
        self._tree = shapely.STRtree(self._shapes)
        self._transform = image.transform
        if not len(self._near(Window(0, 0, image.height, image.width))):
            raise NotAskedError("lies outside the mask")

    def inside(self, window: Window) -> NDArray[np.bool_]:
        shapes = self._shapes[self._near(window)]
        if not len(shapes):
            return np.zeros((window.height, window.width), np.bool_)
        burnt = rasterize(
            ((shape, 1) for shape in shapes),
            out_shape=(window.height, window.width),
            transform=self._transform @ Affine.translation(window.column, window.row),
            dtype=np.uint8,
        )
        inside: NDArray[np.bool_] = burnt != 0
        return inside

    def _near(self, window: Window) -> NDArray[np.int64]:
        corner = self._transform @ Affine.translation(window.column, window.row)
        box = shapely.box(*bounds_of(corner, window.width, window.height))
        near: NDArray[np.int64] = self._tree.query(box)
        return near


def _valid_in(mask: Image, image: Image) -> Limit:
    """Return what tells which pixels have a centre in a valid pixel of a raster.

    Raises:
        NotAskedError: The raster lies elsewhere.
        ItemError: One has a reference system and the other has none.
    """
    if image.transform is None or mask.transform is None:
        raise ValueError("a mask lies over an image where both have a place on the ground")
    if (image.crs is None) != (mask.crs is None):
        raise ItemError("cannot be masked: either it or the mask has no reference system")
    bounds = bounds_of(mask.transform, mask.width, mask.height)
    try:
        Extent(bounds=bounds, crs=mask.crs).part_of(image)
    except NotAskedError:
        raise NotAskedError("lies outside the mask") from None
    grid = Grid(transform=image.transform, width=image.width, height=image.height, crs=image.crs)
    return _any_of([Warped(each, grid, Resampling.nearest) for each in _turns(mask, bounds, grid)])


def _any_of(masks: Sequence[Image]) -> Limit:
    def inside(window: Window) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.any([each.read(window, (0,)).valid for each in masks], axis=0)
        return found

    return inside


def _turns(mask: Image, bounds: Bounds, grid: Grid) -> list[Image]:
    """Return a mask as often as it lies over a grid in degrees, a full circle apart."""
    if mask.transform is None or not same_system(mask.crs, grid.crs):
        return [mask]
    return [
        _Elsewhere(mask, Affine.translation(box[0] - bounds[0], 0) @ mask.transform)
        for box in copies(bounds, grid.bounds, grid.crs)
    ]


class _Elsewhere(View):
    """An image put at another place."""

    def __init__(self, image: Image, transform: Affine) -> None:
        super().__init__(image)
        self.transform = transform

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        raster = self._image.read(window, bands)
        return replace(raster, transform=self.transform)


def polygons(path: Path, layer: str | None) -> LayerShapes:
    """Return the polygons of a layer.

    Raises:
        UsageError: There are none, or several layers.
        SourceError: It cannot be read.
    """
    found = read_shapes(path, layer, "--mask")
    areas = found.shapes[np.isin(shapely.get_type_id(found.shapes), _AREAS)]
    if not len(areas):
        raise UsageError(f"--mask {path} has no polygons")
    return LayerShapes(shapes=areas, crs=found.crs)


@lru_cache(maxsize=2)
def _loaded(mask: Mask) -> LayerShapes:
    return polygons(Path(mask.path), mask.layer)


@lru_cache(maxsize=4)
def _placed(mask: Mask, crs: str | None) -> NDArray[Any]:
    """Return the polygons of a mask in the reference system of an image.

    Raises:
        ItemError: There is no way, or no reference system.
    """
    found = _loaded(mask)
    if found.crs is None or found.crs == crs:
        return found.shapes
    if crs is None:
        raise ItemError("has no reference system, and the mask has one")
    try:
        return placed(found.shapes, found.crs, crs)
    except ProjError as error:
        raise ItemError("has a reference system without a way to that of the mask") from error
    except ValueError as error:
        raise ItemError("has a reference system in which the mask has no place") from error


def _around(mask: LayerShapes, image: Image, times: float) -> list[Bounds]:
    """Return where an image lies in the system of a mask, with room around it.

    Args:
        mask: The mask.
        image: The image.
        times: How often the room is 5 degrees, or 500,000 metres, feet or what it counts in.
    """
    if image.transform is None or image.crs is None or mask.crs is None:
        return []
    own = bounds_of(image.transform, image.width, image.height)
    circle = srs.circle(mask.crs)
    room = times * (_ROOM if circle is None else circle / 72)
    return [
        (west - room, south - room, east + room, north + room)
        for west, south, east, north in moved(own, image.crs, mask.crs)
    ]


def _reaches_far(mask: Mask, image: Image) -> bool:
    """Return whether polygons reach where the system of the image puts them anywhere.

    Raises:
        ItemError: There is no way to the system of the mask.
    """
    found = _loaded(mask)
    if found.crs is None or same_system(found.crs, image.crs):
        return False
    west, south, east, north = map(float, shapely.total_bounds(found.shapes))
    try:
        boxes = _around(found, image, 2)
    except ProjError as error:
        raise ItemError("has a reference system without a way to that of the mask") from error
    return bool(boxes) and not any(
        box[0] <= west and box[1] <= south and east <= box[2] and north <= box[3] for box in boxes
    )


def _clipped(mask: Mask, image: Image) -> NDArray[Any]:
    """Return what of the polygons of a mask lies around an image, in its reference system.

    Raises:
        NotAskedError: Nothing.
        ItemError: It cannot be told.
    """
    found = _loaded(mask)
    if image.transform is None or image.crs is None or found.crs is None:
        raise ItemError("has a reference system in which the mask has no place")
    parts = []
    for box in _around(found, image, 1):
        shapes = around_the_globe(found.shapes, box, found.crs)
        shapes = shapes[
            shapely.intersects(shapely.box(*shapely.bounds(shapes).T), shapely.box(*box))
        ]
        parts.append(shapely.intersection(shapely.make_valid(shapes), shapely.box(*box)))
    near = shapely.get_parts(shapely.get_parts(np.concatenate(parts) if parts else []))
    near = near[np.isin(shapely.get_type_id(near), _AREAS) & ~shapely.is_empty(near)]
    if not len(near):
        raise NotAskedError("lies outside the mask")
    try:
        return placed(near, found.crs, image.crs)
    except ValueError as error:
        raise ItemError("has a reference system in which the mask has no place") from error
