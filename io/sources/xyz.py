"""Tiles by a template of their address: ``xyz:https://host/{z}/{x}/{y}.png``, ``tms:`` from below."""

from collections.abc import Iterator

from ...catalog.errors import UsageError
from ...catalog.records import Scan
from .. import service_raster, srs
from ..addresses import has_prefix, is_address
from ..scan_options import ScanOptions
from ..service_grid import WORLD, level_for, needed_extent
from ..service_scan import Cut, Service, asking, scan_of
from ..tile_service import Level, tiled

KIND = "xyz"
reader = service_raster.reader

_TILE = 256
_LEVELS = 31


def matches(text: str) -> bool:
    """Return whether an input is a template of addresses of tiles."""
    return has_prefix(text, "xyz", "tms") or (is_address(text) and "{z}" in text)


def scan(text: str, options: ScanOptions) -> Iterator[Scan]:
    """Yield the tiles that are asked for, as one image in EPSG:3857."""
    from_bottom = text.startswith("tms:") or "{-y}" in text
    url = text.removeprefix("xyz:").removeprefix("tms:").replace("{-y}", "{y}")
    if any(place not in url for place in ("{x}", "{y}", "{z}")):
        raise UsageError(f"{url}: the address of tiles has {{z}}, {{x}} and {{y}} in it")
    if url.count("{") > 3:
        raise UsageError(f"{url}: only {{z}}, {{x}} and {{y}} are known; write the rest out")
    crs = srs.definition("EPSG:3857")
    cells = {str(zoom): 2 * WORLD / (_TILE << zoom) for zoom in range(_LEVELS)}
    with asking(url):
        zoom = level_for(cells, options, crs, url)
        level = Level(
            url=url.replace("{z}", zoom),
            corner=(-WORLD, WORLD),
            cell=cells[zoom],
            tile=(_TILE, _TILE),
            size=(1 << int(zoom), 1 << int(zoom)),
            crs=crs,
            from_bottom=from_bottom,
        )
        raster, grid = tiled(level, needed_extent(options, crs, url))
        yield scan_of(
            Service(KIND, url), [Cut(f"zoom {zoom}", f"zoom {zoom}", raster, grid)], options
        )
