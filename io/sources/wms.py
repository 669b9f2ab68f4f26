"""Web Map Services, 1.1.1 and 1.3.0: ``wms:https://host/wms?layers=ortho``."""

from collections.abc import Iterator, Mapping

from pyproj import CRS

from ...catalog.errors import ItemError, NotAskedError, UsageError
from ...catalog.records import Scan
from .. import service_raster, srs
from ..addresses import has_prefix, is_address
from ..grid import Grid
from ..scan_options import ScanOptions
from ..service_grid import cut, endless_grid, needed_extent
from ..service_raster import ServiceRaster
from ..service_request import BLOCK, drawn
from ..service_scan import Cut, Service, address_of, asking, scan_of, with_query
from ..web import ask_xml
from ..wms_capabilities import Layer, layer_named, version_of

KIND = "wms"
reader = service_raster.reader

_OURS = ("service", "request", "version", "layers", "styles", "format", "crs", "srs", "bbox")
_OURS_TOO = ("width", "height", "transparent")
_LOSSLESS = ("image/png", "image/png; mode=24bit", "image/tiff", "image/geotiff")


def matches(text: str) -> bool:
    """Return whether an input is a WMS, by its prefix or its query."""
    if has_prefix(text, "wms"):
        return True
    return is_address(text) and address_of(text)[1].get("service", "").lower() == "wms"


def scan(text: str, options: ScanOptions) -> Iterator[Scan]:
    """Yield the part of a layer that is asked for."""
    url, query = address_of(text, ["wms"])
    rest = {name: v for name, v in query.items() if name not in (*_OURS, *_OURS_TOO)}
    name = with_query(url, layers=query.get("layers") or None, **rest)
    with asking(name):
        asked = {"service": "WMS", "request": "GetCapabilities", "version": query.get("version")}
        root = ask_xml(with_query(url, **rest, **asked))
        layer = layer_named(root, query.get("layers", ""))
        crs, grid = _grid(layer, options, name)
        template = _template(url, rest, version_of(root), layer, crs, query)
        request = drawn(template, grid, bands=4, has_alpha=True, most=layer.most or BLOCK)
        raster = ServiceRaster(crs=grid.crs or "", request=request)
        service = Service(KIND, name, layer.attribution)
        yield scan_of(service, [Cut(layer.name, layer.title, raster, grid)], options)


def _grid(layer: Layer, options: ScanOptions, name: str) -> tuple[str, Grid]:
    """Return the reference system as the service calls it, and the pixels.

    Raises:
        UsageError: No cell size, or a system that the layer is not drawn in.
    """
    crs = _system(layer, options.crs, name)
    definition = srs.definition(crs)
    if options.cell_size is None:
        raise UsageError(f"{name}: say how fine with --cell-size, in {srs.unit(definition)}")
    if options.extent is not None and layer.bounds is not None:
        west, south, east, north = options.extent.bounds_in("EPSG:4326")
        left, bottom, right, top = layer.bounds
        if west >= right or east <= left or south >= top or north <= bottom:
            raise NotAskedError("lies outside the extent")
    bounds = needed_extent(options, definition, name)
    return crs, cut(endless_grid(options.cell_size, definition), bounds)[0]


def _system(layer: Layer, asked: str | None, name: str) -> str:
    known = [crs for crs in layer.systems if srs.describe(crs) is not None]
    if asked is not None:
        wanted = srs.definition(asked)
        same = [crs for crs in known if srs.definition(crs) == wanted]
        if not same:
            raise UsageError(
                f"{name} is not drawn in {srs.short_name(asked)}; it is in {', '.join(known[:12])}"
            )
        return same[0]
    if "EPSG:3857" in known or not known:
        return "EPSG:3857"
    return next((crs for crs in known if CRS(crs).is_projected), known[0])


def _template(
    url: str,
    rest: Mapping[str, str],
    version: str,
    layer: Layer,
    crs: str,
    query: Mapping[str, str],
) -> str:
    """Return the address of a map, see :class:`.service_request.Request`."""
    is_new = version >= "1.3"
    asked = {
        "SERVICE": "WMS",
        "REQUEST": "GetMap",
        "VERSION": version,
        "LAYERS": query.get("layers", layer.name),
        "STYLES": query.get("styles", ""),
        "CRS" if is_new else "SRS": crs,
        "FORMAT": _format(layer, query.get("format")),
        "TRANSPARENT": "TRUE",
    }
    northing_first = is_new and CRS(crs).axis_info[0].direction == "north"
    box = "{south},{west},{north},{east}" if northing_first else "{west},{south},{east},{north}"
    return f"{with_query(url, **rest, **asked)}&WIDTH={{width}}&HEIGHT={{height}}&BBOX={box}"


def _format(layer: Layer, asked: str | None) -> str:
    """Return the type of image to ask for: without loss where there is one.

    Raises:
        ItemError: The service draws none that we read.
    """
    if asked:
        return asked
    offered = [each for each in (*_LOSSLESS, "image/jpeg") if each in layer.formats]
    if not offered:
        raise ItemError(f"draws no PNG, TIFF or JPEG but {', '.join(layer.formats) or 'nothing'}")
    return offered[0]
