"""The capabilities of a Web Map Tile Service: layers, sets of tiles, addresses of tiles."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from pyproj import CRS

from ..catalog.errors import ItemError
from . import srs
from .told import number, whole
from .web_errors import local_name
from .wms_capabilities import child, text

_PIXEL_M = 0.00028
"""Side of a pixel of a screen, as the standard has it: scales are counted from it."""
_DEGREE_M = 111319.49079327358
_SHOWN = 20
_FORMATS = ("image/png", "image/tiff", "image/jpeg")


class Matrix(NamedTuple):
    """Tiles of one scale."""

    name: str
    cell: float
    """Of a pixel, in units of the reference system."""
    corner: tuple[float, float]
    """Upper left, x and y."""
    tile: tuple[int, int]
    size: tuple[int, int]
    """Columns and rows."""


class MatrixSet(NamedTuple):
    """Tiles of all scales in one reference system."""

    name: str
    crs: str
    """WKT."""
    levels: tuple[Matrix, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TileLayer:
    """A layer."""

    name: str
    title: str
    style: str
    sets: tuple[str, ...]
    formats: tuple[str, ...]
    templates: Mapping[str, str]
    """Address of a tile by its format; empty where tiles are asked for by a query."""
    dimensions: Mapping[str, str]
    """Default value of each, by lower-case name."""
    query_url: str | None
    """Where tiles are asked for by a query; None where the service does not say."""
    attribution: str

    def template(self, asked: str | None, url: str) -> "Template":
        """Return the address of tiles of a format; without loss where there is one.

        Args:
            asked: A format; None for the best.
            url: Of the capabilities.

        Raises:
            ItemError: The service says none.
        """
        offered = list(self.templates or self.formats)
        if not offered:
            raise ItemError(f"says no format of the tiles of {self.name}")
        best = asked or next((each for each in _FORMATS if each in offered), offered[0])
        if best in self.templates:
            return Template(self.templates[best])
        query = {
            "SERVICE": "WMTS",
            "REQUEST": "GetTile",
            "VERSION": "1.0.0",
            "LAYER": self.name,
            "FORMAT": best,
        }
        names = ("Style", "TileMatrixSet", "TileMatrix", "TileRow", "TileCol", *self.dimensions)
        variables = "&".join(f"{name.upper()}={{{name}}}" for name in names)
        base = (self.query_url or url).rstrip("?&")
        return Template(f"{base}{'&' if '?' in base else '?'}{urlencode(query)}&{variables}")


class Template(NamedTuple):
    """An address with names in braces."""

    text: str

    def filled(self, values: Mapping[str, str]) -> str:
        """Return it with values by lower-case name; names that are not known stay empty."""
        return re.sub(r"\{(\w+)\}", lambda m: values.get(m[1].lower(), ""), self.text)


def layer_named(root: Element, name: str) -> TileLayer:
    """Return a layer.

    Raises:
        ItemError: There is none of that name; says which there are.
    """
    contents = child(root, "Contents")
    if contents is None:
        raise ItemError(f"sends no capabilities of a WMTS but {local_name(root)}")
    layers = {text(each, "Identifier"): each for each in _children(contents, "Layer")}
    if name not in layers:
        listed = ", ".join(list(layers)[:_SHOWN]) + (", ..." if len(layers) > _SHOWN else "")
        what = f"has no layer {name}" if name else "needs layer=NAME"
        raise ItemError(f"{what}; it has {listed or 'none'}")
    found = layers[name]
    return TileLayer(
        name=name,
        title=text(found, "Title") or name,
        style=_style(found),
        sets=tuple(text(each, "TileMatrixSet") for each in _children(found, "TileMatrixSetLink")),
        formats=tuple(" ".join((f.text or "").split()) for f in _children(found, "Format")),
        templates={
            each.get("format", ""): each.get("template", "")
            for each in _children(found, "ResourceURL")
            if each.get("resourceType") == "tile"
        },
        dimensions={
            text(each, "Identifier").lower(): text(each, "Default")
            for each in _children(found, "Dimension")
        },
        query_url=_query_url(root),
        attribution=_attribution(root),
    )


def matrix_sets(root: Element, layer: TileLayer) -> list[MatrixSet]:
    """Return the sets of a layer whose reference system we know."""
    contents = child(root, "Contents")
    found = []
    for each in _children(contents, "TileMatrixSet"):
        name, system = text(each, "Identifier"), text(each, "SupportedCRS")
        known = srs.describe(system)
        if name in layer.sets and known is not None:
            crs = CRS(system)
            matrices = [_matrix(m, crs, system) for m in _children(each, "TileMatrix")]
            found.append(MatrixSet(name, known.definition, tuple(m for m in matrices if m)))
    return found


def _matrix(element: Element, crs: CRS, system: str) -> Matrix | None:
    """Return the tiles of one scale, None for a damaged description."""
    try:
        first, second = (
            number(each, "TopLeftCorner") for each in text(element, "TopLeftCorner").split()
        )
        scale = number(text(element, "ScaleDenominator"), "ScaleDenominator", above=0)
        width, height, columns, rows = (
            whole(text(element, name), name, most=most)
            for name, most in (
                *(("TileWidth", 1 << 14), ("TileHeight", 1 << 14)),
                *(("MatrixWidth", 1 << 31), ("MatrixHeight", 1 << 31)),
            )
        )
    except (ItemError, ValueError):
        return None
    northing_first = system.startswith("urn:") and crs.axis_info[0].direction == "north"
    unit = _DEGREE_M if crs.is_geographic else crs.axis_info[0].unit_conversion_factor
    return Matrix(
        name=text(element, "Identifier"),
        cell=scale * _PIXEL_M / unit,
        corner=(second, first) if northing_first else (first, second),
        tile=(width, height),
        size=(columns, rows),
    )


def _style(layer: Element) -> str:
    styles = list(_children(layer, "Style"))
    default = next((s for s in styles if s.get("isDefault") == "true"), None)
    chosen = default if default is not None else next(iter(styles), None)
    return text(chosen, "Identifier")


def _query_url(root: Element) -> str | None:
    """Return the address of GetTile with a query."""
    for operation in _children(child(root, "OperationsMetadata"), "Operation"):
        get = child(operation, "DCP", "HTTP", "Get")
        if operation.get("name") == "GetTile" and get is not None:
            return next((v for k, v in get.attrib.items() if k.endswith("href")), None)
    return None


def _attribution(root: Element) -> str:
    owner = text(root, "ServiceProvider", "ProviderName")
    terms = text(root, "ServiceIdentification", "AccessConstraints")
    said = [owner, "" if terms.lower() in ("", "none") else terms]
    return "; ".join(each for each in said if each)[:300]


def _children(element: Element | None, name: str) -> Iterator[Element]:
    for each in () if element is None else element:
        if local_name(each) == name:
            yield each
