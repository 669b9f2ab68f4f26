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
from ..addresses import is_address
from ..arcgis_rest import (
    bounds_in,
    description,
    drawing,
    pixel_type,
    side_limit,
    system_asked,
    system_of,
)
from ..extent import pixels_within
from ..grid import Grid
from ..image import overlap
from ..rectangles import Bounds
from ..scan_options import ScanOptions
from ..service_grid import cut, endless_grid, extent_in, needed_extent, whole_grid
from ..service_raster import Rings, ServiceRaster
from ..service_request import BLOCK, drawn
from ..service_scan import Cut, Service, address_of, asking, scan_of, with_query, words_of
from ..told import listed, mapping, number, rings, whole
from ..web import ask_json

KIND = "image_service"
reader = service_raster.reader

_ADDRESS = re.compile(r"/ImageServer/?(\?|$)", re.IGNORECASE)
_MOST_RASTERS = 100_000
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
    extent = mapping(said.get("extent"), "its extent")
    own_crs, own_number = system_of(extent)
    across = number(said.get("pixelSizeX"), "pixelSizeX", above=0)
    own = across, number(said.get("pixelSizeY", across), "pixelSizeY", above=0)
    crs, code = (own_crs, own_number) if options.crs is None else system_asked(options.crs)
    size = (options.cell_size, options.cell_size) if options.cell_size else own
    if crs == own_crs:
        grid = whole_grid(bounds_in(extent), size, crs)
    elif options.cell_size is None:
        raise UsageError(f"{url}: with --crs, give --cell-size too")
    else:
        grid = endless_grid(options.cell_size, crs)
    name = str(said.get("name") or url.split("/")[-2]).split("/")[-1]
    is_native = crs == own_crs and all(
        abs(a / b - 1) < 1e-9 for a, b in zip(size, own, strict=True)
    )
    return _Imagery(url, name, said, grid, code, is_native, options.where)


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
    request = drawn(
        template,
        grid,
        bands=whole(said.get("bandCount", 1), "bandCount", most=10_000),
        has_alpha=False,
        dtype=pixel_type(said),
        nodata=_nodata(said),
        most=side_limit(said, BLOCK),
    )
    return ServiceRaster(crs=grid.crs or "", request=request, outline=outline)


def _nodata(said: dict[str, Any]) -> float | None:
    """Return the value without data, where all bands have one."""
    values = said.get("noDataValues") or [said.get("noDataValue")]
    values = values if isinstance(values, list) else [values]
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
    for raster, attributes, outline in _catalog(imagery):
        part = _own_part(imagery, attributes, outline, options)
        try:
            grid, _ = cut(part, extent)
        except NotAskedError:
            continue
        name = str(attributes.get("Name") or attributes.get("name") or f"raster {raster}")
        rule = {"mosaicMethod": "esriMosaicLockRaster", "lockRasterIds": [raster]}
        cuts.append(Cut(str(raster), name, _raster(imagery, grid, rule, outline), grid))
    if not cuts:
        raise SourceError(f"{imagery.url} has no raster that is asked for; see --where, --extent")
    return cuts


def _catalog(imagery: _Imagery) -> Iterator[tuple[int, dict[str, Any], Rings]]:
    """Yield number, attributes and footprint of each raster that was not made of others."""
    seen: set[int] = set()
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
        key = str(page.get("objectIdFieldName") or "OBJECTID")
        found = listed(page.get("features", []), "the rasters of its catalog")
        before = len(seen)
        for feature in found:
            attributes = mapping(mapping(feature, "a raster").get("attributes"), "a raster")
            raster = whole(attributes.get(key), f"{key} of a raster", least=0, most=1 << 53)
            if raster in seen:
                continue
            seen.add(raster)
            shape = mapping(feature.get("geometry") or {}, "a footprint").get("rings")
            if shape and attributes.get("Category") not in _OVERVIEWS:
                yield raster, dict(attributes), rings(shape, f"a footprint of raster {raster}")
        if len(seen) > _MOST_RASTERS:
            raise ItemError(f"has more than {_MOST_RASTERS:,} rasters; choose with --where")
        offset += len(found)
        more = bool(page.get("exceededTransferLimit")) and len(seen) > before


def _own_part(
    imagery: _Imagery, attributes: dict[str, Any], outline: Rings, options: ScanOptions
) -> Grid:
    """Return the pixels of one raster: of its own size unless another is asked for."""
    own = attributes.get("LowPS")
    whole = imagery.grid
    if options.cell_size is None and own:
        own = number(own, "LowPS of a raster", above=0)
        whole = whole_grid(bounds_in(imagery.said["extent"]), (own, own), whole.crs or "")
    x, y = zip(*(point for ring in outline for point in ring), strict=True)
    window = pixels_within(whole.transform, (min(x), min(y), max(x), max(y)))
    if whole.width:
        window = overlap(window, type(window)(0, 0, whole.height, whole.width)) or window
    if window.height < 1 or window.width < 1:
        raise ItemError(f"has a raster smaller than a pixel: {attributes.get('Name')}")
    place = whole.transform @ Affine.translation(window.column, window.row)
    return replace(whole, transform=place, width=window.width, height=window.height)
