"""Extents: rectangles on the ground, and the pixels of an image whose centres lie in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj.exceptions import ProjError

from ..catalog.errors import ItemError, NotAskedError, SourceError
from . import srs
from .image import Image, Window, open_image, overlap
from .part import Part
from .rectangles import Bounds, moved, whole_box

_LESS = 1e-9
"""Degrees."""
_LONG = 40
"""Characters of a name from which on it is WKT."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """A rectangle on the ground."""

    bounds: Bounds
    """West is greater than east where it crosses the 180th meridian in degrees."""
    crs: str | None = None
    """Its reference system, ``EPSG:n`` or WKT; None for that of each image."""

    @classmethod
    def of_file(cls, path: Path, layer: str | None) -> "Extent":
        """Return the bounds of a layer or raster.

        Raises:
            UsageError: Several layers to choose from, or none with geometry.
            SourceError: It cannot be read, or has no place on the ground.
        """
        from .layer_shapes import is_layer, read_shapes

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
            ItemError: There is no way to that system, or it is in two parts there.
        """
        boxes = self._boxes_in(crs)
        circle = None if crs is None else srs.circle(crs)
        if len(boxes) > 1 or (circle is not None and _is_across(boxes[0], circle)):
            raise ItemError("the extent crosses the 180th meridian there; give it in two parts")
        return boxes[0]

    def part_of(self, image: Image) -> Part:
        """Return the pixels of an image whose centres lie inside.

        In degrees that is once more for each time round the globe.

        Raises:
            NotAskedError: There are none.
            ItemError: The image has no reference system, or none that the extent can be
                brought to.
        """
        if image.transform is None:
            raise ValueError("an image without a place on the ground has no part in an extent")
        own = bounds_of(image.transform, image.width, image.height)
        boxes = [
            box
            for each in self._boxes_in(image.crs)
            for box in copies(each, own, image.crs)
            if overlap(pixels_within(image.transform, box), _all_of(image))
        ]
        if not boxes:
            raise NotAskedError(f"lies outside the extent: {self._apart(own, image.crs)}")
        places = [pixels_within(image.transform, box) for box in boxes]
        areas = [area for place in places if (area := overlap(place, _all_of(image)))]
        hull = _around(areas)
        if image.transform.is_rectilinear and hull.width == sum(area.width for area in areas):
            return Part(window=hull)
        rectangles = _Rectangles(image.transform, boxes)
        return Part(window=hull, limits=(rectangles.inside,))

    def _boxes_in(self, crs: str | None) -> tuple[Bounds, ...]:
        """Return its bounds in another reference system; several where that is cut open.

        Raises:
            NotAskedError: It has no place there.
            ItemError: There is no way to that system.
        """
        if self.crs is None or self.crs == crs:
            own = whole_box(self.bounds, crs)
            if own[0] > own[2]:
                raise ItemError(
                    f"is in {srs.unit(crs)}: an extent whose west is greater than its east is in"
                    " degrees; give --extent-crs EPSG:4326"
                )
            return (own,)
        if crs is None:
            raise ItemError("has no reference system, and the extent has one")
        try:
            boxes = moved(self.bounds, self.crs, crs)
        except ProjError as error:
            raise ItemError(f"has a reference system without a way to {self.crs}") from error
        if not boxes:
            raise NotAskedError("lies outside the extent, which has no place in its system")
        return boxes

    def _apart(self, own: Bounds, crs: str | None) -> str:
        """Say where an image lies and where the extent does."""
        text = f"it covers {_numbers(own)}, the extent {_numbers(self.bounds)}"
        if self.crs is None or crs is None or self.crs == crs:
            return text
        there = " and ".join(map(_numbers, self._boxes_in(crs)))
        return f"{text} in {_named(self.crs)}, which is {there} there"


class _Rectangles:
    """Rectangles on the ground, over an image whose rows are not parallel to one of them."""

    def __init__(self, transform: Affine, boxes: Sequence[Bounds]) -> None:
        self._transform = transform
        self._boxes = boxes

    def inside(self, window: Window) -> NDArray[np.bool_]:
        columns = np.arange(window.width) + window.column + 0.5
        rows = (np.arange(window.height) + window.row + 0.5)[:, np.newaxis]
        a, b, c, d, e, f = self._transform[:6]
        x, y = a * columns + b * rows + c, d * columns + e * rows + f
        inside = np.zeros((window.height, window.width), np.bool_)
        for west, south, east, north in self._boxes:
            inside |= (west <= x) & (x < east) & (south < y) & (y <= north)
        return inside


def copies(box: Bounds, own: Bounds, crs: str | None) -> list[Bounds]:
    """Return a rectangle as often as it lies over others in degrees, each a full circle apart.

    Args:
        box: The rectangle.
        own: Bounds of what it may lie over.
        crs: What both are in; where that is not degrees, it is the rectangle alone.
    """
    circle = None if crs is None else srs.circle(crs)
    if circle is None:
        return [box]
    west, south, east, north = box
    first, last = math.ceil((own[0] - east) / circle), math.floor((own[2] - west) / circle)
    return [
        (west + turn * circle, south, east + turn * circle, north)
        for turn in range(first, last + 1)
    ]


def _is_across(box: Bounds, circle: float) -> bool:
    return box[0] < -circle / 2 - _LESS or box[2] > circle / 2 + _LESS


def _all_of(image: Image) -> Window:
    return Window(0, 0, image.height, image.width)


def _around(areas: Sequence[Window]) -> Window:
    top, left = min(area.row for area in areas), min(area.column for area in areas)
    bottom = max(area.row + area.height for area in areas)
    right = max(area.column + area.width for area in areas)
    return Window(top, left, bottom - top, right - left)


def _numbers(bounds: Bounds) -> str:
    return ",".join(f"{side:.10g}" for side in bounds)


def _named(crs: str) -> str:
    name = srs.short_name(crs)
    return name if len(name) < _LONG else "its system"


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
