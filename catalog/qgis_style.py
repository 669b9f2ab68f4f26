"""Styles of output tables for QGIS, as QML: colours of classes, forms and map tips."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from .xml_text import xml_text

_SYMBOLS = {
    "POINT": "marker",
    "LINESTRING": "line",
    "CURVE": "line",
    "CIRCULARSTRING": "line",
    "COMPOUNDCURVE": "line",
    "POLYGON": "fill",
    "SURFACE": "fill",
    "CURVEPOLYGON": "fill",
}
_GREY = "#b4b4b4"
_FOLDER = "file_path(layer_property(@layer_id, 'path'))"
"""Of the catalog, as an expression of QGIS: it may be moved with its class rasters."""


class StyledClass(NamedTuple):
    """A class in a legend."""

    name: str
    color: str
    """``#rrggbb``."""


def style(geometry_type: str | None, classes: Sequence[StyledClass], columns: Sequence[str]) -> str:
    """Return the style of an output table.

    Args:
        geometry_type: As the GeoPackage has it; None for a table without geometry. A layer of
            several types gets no symbols.
        classes: What ``dominant_class`` may be.
        columns: Those of the table.
    """
    root = Element("qgis", version="3.22.0", styleCategories="Symbology|Forms|MapTips")
    symbol = _SYMBOLS.get((geometry_type or "").removeprefix("MULTI"))
    if symbol is not None:
        _add_renderer(root, symbol, classes)
    forms = SubElement(root, "fieldConfiguration")
    for name, folder in (("classified_image", _FOLDER), ("image_path", None)):
        if name in columns:
            _add_picture(forms, name, folder)
    is_photo = "classified_image" in columns
    SubElement(root, "mapTip").text = _photo_tip(columns) if is_photo else _feature_tip()
    return tostring(root, encoding="unicode")


def _add_renderer(root: Element, symbol: str, classes: Sequence[StyledClass]) -> None:
    attributes = {"type": "categorizedSymbol", "attr": "dominant_class", "symbollevels": "0"}
    renderer = SubElement(root, "renderer-v2", attributes)
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    entries = [(each.name, each.name, each.color) for each in classes]
    for number, (value, label, color) in enumerate([*entries, ("", "no class map", _GREY)]):
        SubElement(
            categories, "category", render="true", symbol=str(number), type="string",
            value=xml_text(value), label=xml_text(label),
        )  # fmt: skip
        shape = SubElement(symbols, "symbol", name=str(number), type=symbol, alpha="1")
        kind, properties = _symbol_layer(symbol, color)
        layer = SubElement(shape, "layer", {"class": kind, "enabled": "1", "pass": "0"})
        for key, text in properties.items():
            SubElement(layer, "prop", k=key, v=text)


def _symbol_layer(symbol: str, color: str) -> tuple[str, Mapping[str, str]]:
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    filled, dark = f"{red},{green},{blue},255", "35,35,35,255"
    match symbol:
        case "marker":
            shape = {"name": "circle", "size": "3", "color": filled, "outline_color": dark}
            return "SimpleMarker", shape
        case "line":
            return "SimpleLine", {"line_color": filled, "line_width": "0.8"}
        case _:
            return "SimpleFill", {"color": filled, "style": "solid", "outline_color": dark}


def _add_picture(forms: Element, column: str, folder: str | None) -> None:
    """Show the image that a column names in the form of a feature.

    Args:
        forms: The element of all columns.
        column: Holds a path.
        folder: What the path is relative to, as an expression; None for absolute paths.
    """
    widget = SubElement(SubElement(forms, "field", name=column), "editWidget")
    widget.set("type", "ExternalResource")
    options = _options(SubElement(widget, "config"))
    for name, kind, value in (
        ("DocumentViewer", "int", "1"),
        ("DocumentViewerHeight", "int", "320"),
        ("DocumentViewerWidth", "int", "0"),
        ("FileWidget", "bool", "true"),
        ("FileWidgetButton", "bool", "false"),
        ("RelativeStorage", "int", "0" if folder is None else "2"),
        ("StorageMode", "int", "0"),
        ("UseLink", "bool", "true"),
    ):
        SubElement(options, "Option", name=name, type=kind, value=value)
    if folder is not None:
        collection = _options(options, "PropertyCollection")
        SubElement(collection, "Option", name="type", type="QString", value="collection")
        root_path = _options(_options(collection, "properties"), "propertyRootPath")
        SubElement(root_path, "Option", name="active", type="bool", value="true")
        SubElement(root_path, "Option", name="expression", type="QString", value=folder)
        SubElement(root_path, "Option", name="type", type="int", value="3")


def _options(parent: Element, name: str | None = None) -> Element:
    return SubElement(parent, "Option", {"type": "Map", **({"name": name} if name else {})})


def _photo_tip(columns: Sequence[str]) -> str:
    class_map = f"{_FOLDER} || '/' || \"classified_image\""
    return "<br>".join(
        (
            f"<b>[% {_text('image_name')} %]</b>",
            f"[% {_text('dominant_class')} %] [% {_share('dominant_share')} %]",
            f"[% {_text('reason')} %]",
            _picture("classified_image", class_map),
            _picture("image_path", '"image_path"') if "image_path" in columns else "",
        )
    )


def _feature_tip() -> str:
    return "<br>".join(
        (
            f"<b>[% {_text('dominant_class')} %]</b> [% {_share('dominant_share')} %]",
            "[% \"classified\" || ' of ' || \"images\" || ' classified' %]",
            f"[% {_text('reason')} %]",
        )
    )


def _text(column: str) -> str:
    """Return an expression of a column's text, harmless in HTML."""
    return f"replace(coalesce(\"{column}\", ''), '<', '&lt;')"


def _share(column: str) -> str:
    return f"coalesce(round(100 * \"{column}\") || ' %', '')"


def _picture(column: str, path: str) -> str:
    """Return the image that an expression names; nothing where a column has no value."""
    address = f"regexp_replace({path}, '^/', '')"
    image = f"'<img width=\"320\" src=\"file:///' || {address} || '\">'"
    return f"[% CASE WHEN \"{column}\" IS NOT NULL THEN {image} ELSE '' END %]"
