"""Map services of ArcGIS: their tiles where they have them, else maps drawn for us."""

import re
from collections.abc import Iterator
from typing import Any

from ...catalog.errors import ItemError, NotAskedError, UsageError
from ...catalog.records import Scan
from .. import service_raster
from ..addresses import is_address
from ..arcgis_rest import bounds_in, description, drawing, side_limit, system_asked, system_of
from ..grid import Grid
from ..scan_options import ScanOptions
from ..service_grid import cut, endless_grid, level_for, needed_extent
from ..service_raster import ServiceRaster
from ..service_request import BLOCK, drawn
from ..service_scan import Cut, Service, address_of, asking, scan_of, words_of
from ..tile_service import Level, tiled
from ..told import listed, mapping, number, whole

KIND = "map_service"
reader = service_raster.reader

_LARGEST_TILE = 1 << 14
_ADDRESS = re.compile(r"/MapServer/?(\?|$)", re.IGNORECASE)


def matches(text: str) -> bool:
    """Return whether an input is the address of a map service."""
    return is_address(text) and bool(_ADDRESS.search(text))


def scan(text: str, options: ScanOptions) -> Iterator[Scan]:
    """Yield the part of the service that is asked for."""
    url, query = address_of(text)
    url = url.rstrip("/")
    with asking(url):
        said = description(url, "fullExtent" if "layers" in query else "mapName")
        layers = query.get("layers")
        is_tiled = bool(said.get("singleFusedMapCache") and said.get("tileInfo")) and not layers
        raster, grid = _tiles(url, said, options) if is_tiled else _map(url, said, options, layers)
        name = str(said.get("mapName") or url.split("/")[-2])
        service = Service(
            KIND, f"{url}?layers={layers}" if layers else url, words_of(said, "copyrightText")
        )
        yield scan_of(service, [Cut("map", name, raster, grid)], options)


def _tiles(url: str, said: dict[str, Any], options: ScanOptions) -> tuple[ServiceRaster, Grid]:
    info = mapping(said.get("tileInfo"), "tileInfo")
    crs, _ = system_of(info)
    lods = [mapping(lod, "a level") for lod in listed(info.get("lods"), "its levels")]
    cells = {
        str(lod.get("level")): number(lod.get("resolution"), "a resolution", above=0)
        for lod in lods
    }
    zoom = level_for(cells, options, crs, url)
    size = (
        whole(info.get("cols"), "the size of its tiles", most=_LARGEST_TILE),
        whole(info.get("rows"), "the size of its tiles", most=_LARGEST_TILE),
    )
    origin = mapping(info.get("origin"), "the origin of its tiles")
    corner = number(origin.get("x"), "the origin"), number(origin.get("y"), "the origin")
    _, south, east, _ = bounds_in(mapping(said.get("fullExtent"), "its extent"))
    level = Level(
        url=f"{url}/tile/{zoom}/{{y}}/{{x}}",
        corner=corner,
        cell=cells[zoom],
        tile=size,
        size=(
            max(1, -int(-(east - corner[0]) // (cells[zoom] * size[0]))),
            max(1, -int(-(corner[1] - south) // (cells[zoom] * size[1]))),
        ),
        crs=crs,
    )
    return tiled(level, needed_extent(options, crs, url))


def _map(
    url: str, said: dict[str, Any], options: ScanOptions, layers: str | None
) -> tuple[ServiceRaster, Grid]:
    """Return a map drawn at the cell size; it has an alpha band.

    Raises:
        UsageError: No cell size.
    """
    if "Map" not in str(said.get("capabilities", "Map")):
        raise ItemError("draws no maps for others")
    extent = mapping(said.get("fullExtent"), "its extent")
    own, code = system_of(extent)
    crs = own
    if options.crs is not None:
        crs, code = system_asked(options.crs)
    if options.cell_size is None:
        raise UsageError(f"{url}: say how fine with --cell-size")
    bounds = needed_extent(options, crs, url)
    if crs == own:
        _check_overlap(bounds, bounds_in(extent))
    grid, _ = cut(endless_grid(options.cell_size, crs), bounds)
    template = drawing(f"{url}/export", code, "png32", transparent="true", layers=layers)
    request = drawn(template, grid, bands=4, has_alpha=True, most=side_limit(said, BLOCK))
    return ServiceRaster(crs=crs, request=request), grid


def _check_overlap(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    if one[0] >= other[2] or one[2] <= other[0] or one[1] >= other[3] or one[3] <= other[1]:
        raise NotAskedError("lies outside the extent")
