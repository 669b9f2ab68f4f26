"""Extents: rectangles on the ground, and the pixels of an image whose centres lie in them."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError

from ..catalog.errors import ItemError, NotAskedError, SourceError
from . import srs
from .image import Image, Window, open_image, overlap
from .layer_shapes import is_layer, read_shapes
from .part import Part

Bounds = tuple[float, float, float, float]
"""Least x and y, greatest x and y."""
_EDGE_POINTS = 21


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """A rectangle on the ground."""

    bounds: Bounds
    crs: str | None = None
    """Its reference system, ``EPSG:n`` or WKT; None for that of each image."""

    @classmethod
    def of_file(cls, path: Path, layer: str | None) -> "Extent":
        """Return the bounds of a layer or raster.

        Raises:
            UsageError: Several layers to choose from, or none with geometry.
            SourceError: It cannot be read, or has no place on the ground.
        """
        if is_layer(path):
            shapes = read_shapes(path, layer, "--extent")
            return cls(bounds=shapes.bounds, crs=shapes.crs and srs.short_name(shapes.crs))
        try:
            with open_image(path) as image:
                if image.transform is None:
                    raise ItemError("has no place on the ground")
                bounds = bounds_of(image.transform, image.width, image.height)
                return cls(bounds=bounds, crs=image.crs and srs.short_name(image.crs))
        except ItemError as error:
            raise SourceError(f"--extent {path}: {error}") from error

    def bounds_in(self, crs: str | None) -> Bounds:
        """Return its bounds in another reference system, as WKT or ``EPSG:n``.

        Raises:
            NotAskedError: It has no place there.
            ItemError: There is no way to that system.
        """
        return _moved(self.bounds, self.crs, crs)

    def part_of(self, image: Image) -> Part:
        """Return the pixels of an image whose centres lie inside.

        Raises:
            NotAskedError: There are none.
            ItemError: The image has no reference system, or none that the extent can be
                brought to.
        """
        if image.transform is None:
            raise ValueError("an image without a place on the ground has no part in an extent")
        bounds = self.bounds_in(image.crs)
        area = overlap(
            pixels_within(image.transform, bounds), Window(0, 0, image.height, image.width)
        )
        if area is None:
            raise NotAskedError("lies outside the extent")
        if image.transform.is_rectilinear:
            return Part(window=area)
        rectangle = _Rectangle(image.transform, bounds)
        return Part(window=area, limits=(rectangle.inside,))


class _Rectangle:
    """A rectangle on the ground, over an image whose rows are not parallel to it."""

    def __init__(self, transform: Affine, bounds: Bounds) -> None:
        self._transform = transform
        self._bounds = bounds

    def inside(self, window: Window) -> NDArray[np.bool_]:
        columns = np.arange(window.width) + window.column + 0.5
        rows = (np.arange(window.height) + window.row + 0.5)[:, np.newaxis]
        a, b, c, d, e, f = self._transform[:6]
        x, y = a * columns + b * rows + c, d * columns + e * rows + f
        west, south, east, north = self._bounds
        inside: NDArray[np.bool_] = (west <= x) & (x < east) & (south < y) & (y <= north)
        return inside


def bounds_of(transform: Affine, width: float, height: float) -> Bounds:
    """Return the bounds of an image."""
    corners = [transform @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
    x, y = zip(*corners, strict=True)
    return min(x), min(y), max(x), max(y)


def pixels_within(transform: Affine, bounds: Bounds) -> Window:
    """Return the least rectangle of pixels with every pixel whose centre is within bounds."""
    west, south, east, north = bounds
    corners = [~transform @ corner for corner in ((west, north), (east, north), (east, south),
                                                  (west, south))]  # fmt: skip
    columns, rows = zip(*corners, strict=True)
    left, right = first_centre(min(columns)), first_centre(max(columns))
    top, bottom = first_centre(min(rows)), first_centre(max(rows))
    return Window(top, left, bottom - top, right - left)


def first_centre(position: float) -> int:
    """Return the first pixel, along one axis, whose centre is not before a position."""
    return math.ceil(position - 0.5)


def _moved(bounds: Bounds, source: str | None, target: str | None) -> Bounds:
    """Return the bounds, in another reference system, of a rectangle; edges are densified.

    Raises:
        NotAskedError: It has no place there.
        ItemError: The image names no reference system, or one without a way to it.
    """
    if source is None or source == target:
        return bounds
    if target is None:
        raise ItemError("has no reference system, and the extent has one")
    try:
        transformer = Transformer.from_crs(source, target, always_xy=True)
        moved = transformer.transform_bounds(*bounds, densify_pts=_EDGE_POINTS)
    except ProjError as error:
        raise ItemError(f"has a reference system without a way to {source}") from error
    if not all(map(math.isfinite, moved)):
        raise NotAskedError("lies outside the extent")
    west, south, east, north = moved
    if west > east:
        raise ItemError("the extent crosses the 180th meridian there; give it in two parts")
    return west, south, east, north
