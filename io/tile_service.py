"""Tiles of a service, whichever way it numbers them, as one image."""

from typing import NamedTuple

from affine import Affine

from .grid import Grid
from .image import Window
from .rectangles import Bounds
from .service_grid import cut
from .service_pieces import image_shape
from .service_raster import ServiceRaster
from .service_request import Request
from .web import ask_piece


class Level(NamedTuple):
    """Tiles that have one size on the ground."""

    url: str
    """Of a tile, with ``{x}`` and ``{y}`` for its column and row."""
    corner: tuple[float, float]
    """Upper left."""
    cell: float
    """Of a pixel of a tile that has the size that the service says."""
    tile: tuple[int, int]
    """Width and height in pixels, as the service says."""
    size: tuple[int, int]
    """Columns and rows of tiles."""
    crs: str
    """WKT."""
    from_bottom: bool = False
    """Whether rows are counted from the bottom."""


def tiled(level: Level, bounds: Bounds) -> tuple[ServiceRaster, Grid]:
    """Return the raster that an extent needs, and its pixels.

    One tile in the middle is fetched: it tells size and bands, and whether there are any.

    Args:
        level: The tiles.
        bounds: The extent, in their reference system.

    Raises:
        NotAskedError: The extent lies elsewhere.
        ItemError: That tile is none.
    """
    grid, window = cut(_whole(level), bounds)
    width, height, bands = image_shape(ask_piece(_middle(level, window)))
    if (width, height) != level.tile:  # for screens with small pixels
        level = _finer(level, (width, height))
        grid, window = cut(_whole(level), bounds)
    request = Request(
        template=level.url,
        transform=tuple(grid.transform)[:6],
        width=grid.width,
        height=grid.height,
        block=level.tile,
        bands=bands,
        has_alpha=bands == 4,
        first=(window.column, window.row),
        from_bottom=level.size[1] if level.from_bottom else None,
    )
    return ServiceRaster(crs=level.crs, request=request), grid


def _whole(level: Level) -> Grid:
    return Grid(
        transform=Affine(level.cell, 0, level.corner[0], 0, -level.cell, level.corner[1]),
        width=level.size[0] * level.tile[0],
        height=level.size[1] * level.tile[1],
        crs=level.crs,
    )


def _middle(level: Level, window: Window) -> str:
    column = (window.column + window.width // 2) // level.tile[0]
    row = (window.row + window.height // 2) // level.tile[1]
    if level.from_bottom:
        row = level.size[1] - 1 - row
    return level.url.replace("{x}", str(column)).replace("{y}", str(row))


def _finer(level: Level, tile: tuple[int, int]) -> Level:
    return level._replace(cell=level.cell * level.tile[0] / tile[0], tile=tile)
