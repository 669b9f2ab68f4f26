"""Grids: where the pixels of an image lie, and where they are to lie.

GDAL is loaded where it is asked: what somebody wants of a grid is known without it.
"""

import math
from dataclasses import dataclass

from affine import Affine
from pyproj.exceptions import ProjError

from ..catalog.errors import ItemError, first_line
from . import srs
from .extent import bounds_of, first_centre
from .image import Image
from .rectangles import Bounds, is_torn, moved

_ALIGNED = 1e-6
"""Pixels by which grids may differ and still be one."""
_COARSER = 1.001
"""Times the area of a pixel from which on pixels are averaged."""


_MOST_PIXELS, _LONGEST = 10**11, 2 * 10**6
"""Of a grid; a row of windows of it has to fit into memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Pixels on the ground."""

    transform: Affine
    width: int
    height: int
    crs: str | None
    """WKT."""
    is_coarser: bool = False
    """Whether the pixels are larger than those of the image that is brought here."""

    @property
    def bounds(self) -> Bounds:
        """Least x and y, greatest x and y."""
        return bounds_of(self.transform, self.width, self.height)

    def is_of(self, image: Image) -> bool:
        """Return whether an image has this grid already."""
        if image.transform is None or (self.width, self.height) != (image.width, image.height):
            return False
        corners = ((0, 0), (self.width, 0), (0, self.height))
        apart = [~image.transform @ (self.transform @ corner) for corner in corners]
        return same_system(self.crs, image.crs) and all(
            abs(a - b) < _ALIGNED
            for there, corner in zip(apart, corners, strict=True)
            for a, b in zip(there, corner, strict=True)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Snap:
    """The grid that pixels are aligned to: one of its corners."""

    x: float
    y: float
    crs: str | None
    """``EPSG:n`` or WKT; None where the raster names none."""
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GridOptions:
    """The grid on which images are classified; as they are where nothing is asked."""

    cell_size: float | None = None
    """In units of the reference system."""
    crs: str | None = None
    """``EPSG:n`` or WKT."""
    snap: Snap | None = None

    def grid_of(self, image: Image) -> Grid:
        """Return the grid on which an image with a place on the ground is classified.

        Raises:
            ItemError: There is none.
        """
        if image.transform is None:
            raise ValueError("an image without a place on the ground has no grid")
        own = Grid(transform=image.transform, width=image.width, height=image.height, crs=image.crs)
        if self == GridOptions():
            return own
        grid = own if self.crs is None else _default_grid(own, srs.definition(self.crs), "--crs")
        self._check_snap(grid.crs)
        cell = (self.cell_size, self.cell_size) if self.cell_size else _cell(grid.transform)
        laid_out = _laid_out(grid, cell, self.snap)
        if self.cell_size and not _holds_a_centre(grid, laid_out):
            west, south, east, north = grid.bounds
            raise ItemError(
                f"is {east - west:g} x {north - south:g} {srs.unit(grid.crs)} and holds the centre"
                f" of no pixel of {self.cell_size:g}; give a smaller --cell-size"
            )
        return laid_out

    def _check_snap(self, crs: str | None) -> None:
        if self.snap is None or same_system(self.snap.crs, crs):
            return
        if crs is None:
            raise ItemError(
                f"has no reference system, and the snap raster {self.snap.path} has one"
            )
        if self.snap.crs is None or srs.is_local(self.snap.crs):
            raise ItemError(
                f"cannot be aligned to the snap raster {self.snap.path}, which has no reference"
                " system that is known"
            )
        raise ItemError(
            f"is not in the reference system of the snap raster {self.snap.path}; give"
            f" --crs {srs.short_name(self.snap.crs)}"
        )


def is_too_large(width: int, height: int) -> bool:
    """Return whether a row of windows of a grid would not fit into memory."""
    return width * height > _MOST_PIXELS or max(width, height) > _LONGEST


def same_system(one: str | None, other: str | None) -> bool:
    """Return whether two reference systems, as WKT or ``EPSG:n``, are the same."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if one is None or other is None or one == other:
        return one == other
    try:
        return bool(CRS.from_user_input(one) == CRS.from_user_input(other))
    except CRSError:
        return False


def grid_in(own: Grid, crs: str, option: str) -> Grid:
    """Return the north-up grid in another reference system, with pixels about as large as before.

    Args:
        own: The grid as it is.
        crs: The other system, as WKT.
        option: What asks for it.

    Raises:
        ItemError: There is none.
    """
    grid = _default_grid(own, crs, option)
    return _laid_out(grid, _cell(grid.transform), None)


def _default_grid(own: Grid, crs: str, option: str) -> Grid:
    """Return GDAL's grid in another reference system."""
    from rasterio.errors import CRSError
    from rasterio.warp import calculate_default_transform

    from .raster import GDAL_ERRORS

    if same_system(own.crs, crs):
        return own
    if own.crs is None:
        raise ItemError(f"has no reference system; {option} cannot apply")
    if not own.transform.is_rectilinear:  # GDAL would spread its pixels over a larger rectangle
        own = _laid_out(own, _cell(own.transform), None)
    try:
        if own.crs and is_torn(own.bounds, own.crs, crs):
            raise ItemError(
                f"crosses the meridian where {srs.short_name(crs)} is cut open; {option} cannot"
                " apply: choose a system that is whole there"
            )
        if beyond := _grid_across(own, crs):
            return beyond
        transform, width, height = calculate_default_transform(
            own.crs, crs, own.width, own.height, *own.bounds
        )
    except (*GDAL_ERRORS, CRSError, ProjError) as error:
        raise ItemError(
            f"cannot be brought to {srs.short_name(crs)}: {first_line(error)}"
        ) from error
    return Grid(transform=transform, width=int(width or 0), height=int(height or 0), crs=crs)


def _grid_across(own: Grid, crs: str) -> Grid | None:
    """Return the grid in degrees of what crosses the 180th meridian; None where nothing does.

    Its longitudes go on beyond 180. GDAL would lay it around the globe.
    """
    circle = srs.circle(crs)
    boxes = moved(own.bounds, own.crs, crs) if own.crs and circle else ()
    if not circle or not boxes:
        return None
    west, south, east, north = boxes[0]
    if (-circle / 2 <= west and east <= circle / 2) or east - west >= circle:
        return None
    cell = math.hypot(east - west, north - south) / math.hypot(own.width, own.height)
    width, height = (max(1, round(side / cell)) for side in (east - west, north - south))
    place = Affine(cell, 0, west, 0, -cell, north)
    return Grid(transform=place, width=width, height=height, crs=crs)


def _holds_a_centre(grid: Grid, pixels: Grid) -> bool:
    west, south, east, north = grid.bounds
    x, y = pixels.transform @ (0.5, 0.5)
    return west <= x <= east and south <= y <= north


def _cell(transform: Affine) -> tuple[float, float]:
    return math.hypot(transform.a, transform.d), math.hypot(transform.b, transform.e)


def _laid_out(grid: Grid, cell: tuple[float, float], snap: Snap | None) -> Grid:
    """Return north-up pixels of a size whose centres are within the bounds of a grid.

    They are counted from the upper left corner, or from that of the snap raster.
    """
    west, south, east, north = grid.bounds
    x, y = (west, north) if snap is None else (snap.x, snap.y)
    left, right = (first_centre((side - x) / cell[0]) for side in (west, east))
    top, bottom = (first_centre((y - side) / cell[1]) for side in (north, south))
    width, height = max(1, right - left), max(1, bottom - top)
    if is_too_large(width, height):
        raise ItemError(
            f"would have {width} x {height} pixels of {cell[0]:g} in its reference system;"
            " give a larger --cell-size"
        )
    return Grid(
        transform=Affine(cell[0], 0, x + left * cell[0], 0, -cell[1], y - top * cell[1]),
        width=width,
        height=height,
        crs=grid.crs,
        is_coarser=cell[0] * cell[1] > _COARSER * abs(grid.transform.determinant),
    )
