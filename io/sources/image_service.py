"""Image services of ArcGIS: all of one as one image, or each raster of its catalog for itself."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from affine import Affine

from ...catalog.errors import ItemError, NotAskedError, SourceError, UsageError
from ...catalog.records import Scan
from .. import service_raster
from ..arcgis_rest import (
    bounds_in,
    description,
    drawing,
    pixel_type,
    system_asked,
    system_of,
)
from ..extent import Bounds, pixels_within
from ..grid import Grid
from ..image import overlap
from ..service_grid import cut, endless_grid, extent_in, needed_extent, whole_grid
from ..service_raster import Rings, ServiceRaster
from ..service_request import BLOCK, drawn
from ..service_scan import (
    Cut,
    Service,
    address_of,
    asking,
    is_address,
    scan_of,
    with_query,
    words_of,
)
from ..web import ask_json
from .options import ScanOptions

KIND = "image_service"
reader = service_raster.reader

_ADDRESS = re.compile(r"/ImageServer/?(\?|$)", re.IGNORECASE)
_OVERVIEWS = (2, 3, 4, 254)
"""Categories of catalog rasters that are made of others, or not finished."""


class _Imagery(NamedTuple):
    """A service and what is asked of it."""

    url: str
    name: str
    said: dict[str, Any]
    grid: Grid
    number: str
    """Of the reference system, as the service knows it."""
    is_native: bool
    """Whether the pixels are the service's own."""
    where: str | None


def matches(text: str) -> bool:
    """Return whether an input is the address of an image service."""
    return is_address(text) and bool(_ADDRESS.search(text))


def scan(text: str, options: ScanOptions) -> Iterator[Scan]:
    """Yield the part of the service that is asked for."""
    url, _ = address_of(text)
    url = url.rstrip("/")
    with asking(url):
        said = description(url, "pixelType")
        imagery = _imagery(url, said, options)
        attribution = words_of(said, "copyrightText")
        service = Service(KIND, url, attribution)
        if options.mode == "separate":
            cuts = _separate(imagery, options)
        else:
            grid, _ = cut(imagery.grid, _extent(imagery, options))
            cuts = [Cut("mosaic", imagery.name, _raster(imagery, grid, _rule(imagery)), grid)]
        yield scan_of(service, cuts, options)


def _imagery(url: str, said: dict[str, Any], options: ScanOptions) -> _Imagery:
    """Return the service with all its pixels, in the reference system and size asked for."""
    own_crs, own_number = system_of(said["extent"])
    own = float(said["pixelSizeX"]), float(said.get("pixelSizeY", said["pixelSizeX"]))
    crs, number = (own_crs, own_number) if options.crs is None else system_asked(options.crs)
    size = (options.cell_size, options.cell_size) if options.cell_size else own
    if crs == own_crs:
        grid = whole_grid(bounds_in(said["extent"]), size, crs)
    elif options.cell_size is None:
        raise UsageError(f"{url}: with --crs, give --cell-size too")
    else:
        grid = endless_grid(options.cell_size, crs)
    name = str(said.get("name") or url.split("/")[-2]).split("/")[-1]
    is_native = crs == own_crs and all(
        abs(a / b - 1) < 1e-9 for a, b in zip(size, own, strict=True)
    )
    return _Imagery(url, name, said, grid, number, is_native, options.where)


def _extent(imagery: _Imagery, options: ScanOptions) -> Bounds | None:
    crs = imagery.grid.crs or ""
    return (extent_in if imagery.grid.width else needed_extent)(options, crs, imagery.url)


def _rule(imagery: _Imagery) -> dict[str, Any] | None:
    if imagery.where is None:
        return None
    return {"mosaicMethod": "esriMosaicNone", "where": imagery.where}


def _raster(
    imagery: _Imagery, grid: Grid, rule: dict[str, Any] | None, outline: Rings = ()
) -> ServiceRaster:
    said = imagery.said
    plain = said.get("allowRasterFunction", True)
    template = drawing(
        f"{imagery.url}/exportImage",
        imagery.number,
        "tiff",
        renderingRule=json.dumps({"rasterFunction": "None"}) if plain else None,
        mosaicRule=None if rule is None else json.dumps(rule),
        interpolation=f"RSP_{'NearestNeighbor' if imagery.is_native else 'BilinearInterpolation'}",
        compression="LZ77",
    )
    limits = [int(said.get(name) or BLOCK) for name in ("maxImageWidth", "maxImageHeight")]
    request = drawn(
        template,
        grid,
        bands=int(said.get("bandCount") or 1),
        has_alpha=False,
        dtype=pixel_type(said),
        nodata=_nodata(said),
        most=min(limits),
    )
    return ServiceRaster(crs=grid.crs or "", request=request, outline=outline)


def _nodata(said: dict[str, Any]) -> float | None:
    """Return the value without data, where all bands have one."""
    values = said.get("noDataValues") or [said.get("noDataValue")]
    known = {value for value in values if isinstance(value, int | float)}
    return float(known.pop()) if len(known) == 1 and None not in values else None


def _separate(imagery: _Imagery, options: ScanOptions) -> list[Cut]:
    """Return the rasters of the catalog that are asked for.

    Raises:
        SourceError: There are none.
    """
    if "Catalog" not in str(imagery.said.get("capabilities", "")):
        raise SourceError(f"{imagery.url} has no catalog of rasters; leave out --mode separate")
    extent = extent_in(options, imagery.grid.crs or "", imagery.url)
    cuts = []
    for number, attributes, rings in _catalog(imagery):
        part = _own_part(imagery, attributes, rings, options)
        try:
            grid, _ = cut(part, extent)
        except NotAskedError:
            continue
        name = str(attributes.get("Name") or attributes.get("name") or f"raster {number}")
        rule = {"mosaicMethod": "esriMosaicLockRaster", "lockRasterIds": [number]}
        cuts.append(Cut(str(number), name, _raster(imagery, grid, rule, rings), grid))
    if not cuts:
        raise SourceError(f"{imagery.url} has no raster that is asked for; see --where, --extent")
    return cuts


def _catalog(imagery: _Imagery) -> Iterator[tuple[int, dict[str, Any], Rings]]:
    """Yield number, attributes and footprint of each raster that was not made of others."""
    offset, more = 0, True
    while more:
        page = ask_json(
            with_query(
                f"{imagery.url}/query",
                where=imagery.where or "1=1",
                outFields="*",
                returnGeometry="true",
                outSR=imagery.number,
                resultOffset=offset or None,
                f="json",
            )
        )
        key = page.get("objectIdFieldName") or "OBJECTID"
        found = page.get("features", [])
        for feature in found:
            attributes = feature["attributes"]
            rings = (feature.get("geometry") or {}).get("rings")
            if rings and attributes.get("Category") not in _OVERVIEWS:
                outline = tuple(tuple((float(p[0]), float(p[1])) for p in ring) for ring in rings)
                yield int(attributes[key]), attributes, outline
        offset += len(found)
        more = bool(page.get("exceededTransferLimit")) and bool(found)


def _own_part(
    imagery: _Imagery, attributes: dict[str, Any], rings: Rings, options: ScanOptions
) -> Grid:
    """Return the pixels of one raster: of its own size unless another is asked for."""
    own = attributes.get("LowPS")
    whole = imagery.grid
    if options.cell_size is None and isinstance(own, int | float) and own > 0:
        whole = whole_grid(bounds_in(imagery.said["extent"]), (own, own), whole.crs or "")
    x, y = zip(*(point for ring in rings for point in ring), strict=True)
    window = pixels_within(whole.transform, (min(x), min(y), max(x), max(y)))
    if whole.width:
        window = overlap(window, type(window)(0, 0, whole.height, whole.width)) or window
    if window.height < 1 or window.width < 1:
        raise ItemError(f"has a raster smaller than a pixel: {attributes.get('Name')}")
    place = whole.transform @ Affine.translation(window.column, window.row)
    return replace(whole, transform=place, width=window.width, height=window.height)
