"""Web Map Tile Services: ``wmts:https://host/WMTSCapabilities.xml?layer=ortho``."""

from collections.abc import Iterator

from ...catalog.errors import ItemError
from ...catalog.records import Scan
from .. import service_raster, srs
from ..addresses import has_prefix, is_address
from ..scan_options import ScanOptions
from ..service_grid import level_for, needed_extent
from ..service_scan import Cut, Service, address_of, asking, scan_of, with_query
from ..tile_service import Level, tiled
from ..web import ask_xml, check_host
from ..wmts_capabilities import MatrixSet, TileLayer, layer_named, matrix_sets

KIND = "wmts"
reader = service_raster.reader

_OURS = ("layer", "tilematrixset", "style", "format")


def matches(text: str) -> bool:
    """Return whether an input is a WMTS, by its prefix, its query or the name of its file."""
    if has_prefix(text, "wmts"):
        return True
    url, query = address_of(text)
    is_named = query.get("service", "").lower() == "wmts" or url.endswith("WMTSCapabilities.xml")
    return is_address(text) and is_named


def scan(text: str, options: ScanOptions) -> Iterator[Scan]:
    """Yield the tiles of a layer that are asked for, as one image."""
    url, query = address_of(text, ["wmts"])
    ours = {name: value for name, value in query.items() if name in _OURS}
    rest = {name: value for name, value in query.items() if name not in _OURS}
    if not url.lower().endswith(".xml"):
        rest = {"service": "WMTS", "version": "1.0.0", **rest, "request": "GetCapabilities"}
    capabilities = with_query(url, **rest) if rest else url
    name = with_query(url, **ours) if ours else url
    with asking(name):
        root = ask_xml(capabilities)
        layer = layer_named(root, ours.get("layer", ""))
        matrices = _chosen(matrix_sets(root, layer), ours.get("tilematrixset"), options.crs)
        cells = {matrix.name: matrix.cell for matrix in matrices.levels}
        zoom = level_for(cells, options, matrices.crs, name)
        level = _level(layer, matrices, zoom, ours, url)
        check_host(url, level.url)
        raster, grid = tiled(level, needed_extent(options, matrices.crs, name))
        cuts = [Cut(f"{layer.name} {zoom}", layer.title, raster, grid)]
        yield scan_of(Service(KIND, name, layer.attribution), cuts, options)


def _chosen(sets: list[MatrixSet], named: str | None, crs: str | None) -> MatrixSet:
    """Return the set of tiles with a name, or in a reference system, or in EPSG:3857.

    Raises:
        ItemError: There is none.
    """
    mercator = srs.definition("EPSG:3857")
    wanted = None if crs is None else srs.definition(crs)
    fit = [
        each
        for each in sets
        if (named is None or each.name == named) and (wanted is None or each.crs == wanted)
    ]
    if not fit:
        listed = ", ".join(f"{each.name} ({srs.short_name(each.crs)})" for each in sets)
        raise ItemError(f"has no such tiles; tilematrixset may be {listed or 'none that we know'}")
    return next((each for each in fit if each.crs == mercator), fit[0])


def _level(
    layer: TileLayer, matrices: MatrixSet, zoom: str, ours: dict[str, str], url: str
) -> Level:
    matrix = next(each for each in matrices.levels if each.name == zoom)
    style = ours.get("style", layer.style)
    asked = ours.get("format")
    template = layer.template(asked, url)
    said = {
        "tilematrixset": matrices.name,
        "tilematrix": matrix.name,
        "tilerow": "{y}",
        "tilecol": "{x}",
        "style": style,
        **layer.dimensions,
    }
    return Level(
        url=template.filled(said),
        corner=matrix.corner,
        cell=matrix.cell,
        tile=matrix.tile,
        size=matrix.size,
        crs=matrices.crs,
    )
