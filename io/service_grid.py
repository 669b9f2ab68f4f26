"""Which pixels of a service are asked for: its own grid, cut to an extent."""

from dataclasses import replace

from affine import Affine

from ..catalog.errors import ItemError, NotAskedError, SourceError, UsageError
from . import srs
from .extent import pixels_within
from .grid import Grid
from .image import Window, overlap
from .rectangles import Bounds
from .scan_options import ScanOptions

STEP = 256
"""A raster begins at a multiple of so many pixels of the service, whatever the extent: windows
then lie alike, and neighbouring extents get the same classes where they meet."""
_MARGIN = 256
"""Pixels beyond the extent that a model may look at."""
_SHOWN = 30
WORLD = 20037508.342789244
"""Half the width of the world in EPSG:3857."""


def whole_grid(bounds: Bounds, cell: tuple[float, float], crs: str) -> Grid:
    """Return all pixels of a service, counted from its upper left corner."""
    west, south, east, north = bounds
    return Grid(
        transform=Affine(cell[0], 0, west, 0, -cell[1], north),
        width=max(1, round((east - west) / cell[0])),
        height=max(1, round((north - south) / cell[1])),
        crs=crs,
    )


def endless_grid(cell: float, crs: str) -> Grid:
    """Return the grid of a service that has none, counted from the origin of the system.

    It has no size: what is cut from it has.
    """
    return Grid(transform=Affine(cell, 0, 0, 0, -cell, 0), width=0, height=0, crs=crs)


def cut(whole: Grid, bounds: Bounds | None) -> tuple[Grid, Window]:
    """Return the pixels that an extent needs, and where they lie in all of a service.

    Args:
        whole: All of the service; without size where it has no end.
        bounds: The extent; None for all, where there is an end.

    Raises:
        NotAskedError: None.
    """
    window = inside(whole, bounds)
    if bounds is not None:
        wanted = _widened(window)
        all_of_it = Window(0, 0, whole.height, whole.width)
        window = (overlap(wanted, all_of_it) or window) if whole.width else wanted
    place = whole.transform @ Affine.translation(window.column, window.row)
    return replace(whole, transform=place, width=window.width, height=window.height), window


def inside(whole: Grid, bounds: Bounds | None) -> Window:
    """Return the pixels of a grid that lie in an extent, none beyond it.

    Args:
        whole: The grid; without size where it has no end.
        bounds: The extent; None for all, where there is an end.

    Raises:
        NotAskedError: None.
    """
    all_of_it = Window(0, 0, whole.height, whole.width)
    if bounds is None:
        return all_of_it
    wanted = pixels_within(whole.transform, bounds)
    found = overlap(wanted, all_of_it if whole.width else wanted)
    if found is None:
        raise NotAskedError("lies outside the extent")
    return found


def _widened(window: Window) -> Window:
    top, left = ((n - _MARGIN) // STEP * STEP for n in (window.row, window.column))
    bottom, right = (
        -(-(n + _MARGIN) // STEP) * STEP
        for n in (window.row + window.height, window.column + window.width)
    )
    return Window(top, left, bottom - top, right - left)


def extent_in(options: ScanOptions, crs: str, name: str) -> Bounds | None:
    """Return the extent that is asked for in the reference system of a service.

    Raises:
        SourceError: It has no place there.
    """
    if options.extent is None:
        return None
    try:
        return options.extent.bounds_in(crs)
    except ItemError as error:
        raise SourceError(f"{name}: the extent cannot be brought to it: {error}") from error


def needed_extent(options: ScanOptions, crs: str, name: str) -> Bounds:
    """Return the extent, for a service without an end.

    Raises:
        UsageError: There is none.
    """
    bounds = extent_in(options, crs, name)
    if bounds is None:
        raise UsageError(
            f"{name} has no end; say what of it with --extent WEST,SOUTH,EAST,NORTH in degrees"
        )
    return bounds


def level_for(cells: dict[str, float], options: ScanOptions, crs: str, name: str) -> str:
    """Return the name of the level of tiles that is asked for.

    Args:
        cells: Size of a pixel of each level, by the level's name.
        options: With a zoom, or a cell size: the coarsest level that is at least as fine.
        crs: Of the tiles.
        name: Of the service, for messages.

    Raises:
        UsageError: Neither is given, or there is no such level.
    """
    if options.zoom is not None:
        if options.zoom not in cells:
            raise UsageError(f"{name} has no zoom {options.zoom}; it has {_listed(cells)}")
        return options.zoom
    if options.cell_size is None:
        raise UsageError(f"{name}: say how fine with --zoom, or --cell-size")
    if options.crs is not None and srs.definition(options.crs) != crs:
        raise UsageError(f"{name}: its tiles are in {srs.short_name(crs)}; give --zoom with --crs")
    by_size = sorted(cells, key=lambda level: cells[level])
    fine = [level for level in by_size if cells[level] <= options.cell_size * (1 + 1e-6)]
    return fine[-1] if fine else by_size[0]


def _listed(names: dict[str, float]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return ", ".join(list(names)[:_SHOWN]) + more or "none that make sense"
