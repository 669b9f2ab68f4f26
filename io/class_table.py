"""Which classes a raster has, in GDAL's words: category names, colours, an attribute table."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from ..catalog.records import ClassDefinition
from ..catalog.xml_text import xml_text

MOST_CATEGORIES = 1024
"""Category names and colours are lists from 0 on; beyond, the attribute table says it alone."""
_FIELDS = (
    ("Value", "integer", "min_max"),
    ("Count", "real", "count"),
    ("Class_Name", "text", "name"),
    ("Red", "integer", "red"),
    ("Green", "integer", "green"),
    ("Blue", "integer", "blue"),
    ("Alpha", "integer", "alpha"),
)
_TYPES = {"integer": "0", "real": "1", "text": "2"}
_USAGES = {"count": "1", "name": "2", "min_max": "5", "red": "6", "green": "7", "blue": "8"}
_ALPHA = "9"
_LARGEST_INTEGER = 2**31 - 1
"""Of a column of whole numbers; GDAL makes others of what is larger."""


def add_classes(
    band: Element, classes: Sequence[ClassDefinition], pixels: Mapping[int, int] | None = None
) -> None:
    """Describe the classes of a band: names by value, and an attribute table.

    Args:
        band: Of an XML file that GDAL reads.
        classes: What the values mean.
        pixels: How many pixels each value has; None where that is not known.
    """
    if has_categories(classes):
        names = SubElement(band, "CategoryNames")
        known = {each.value: each.name for each in classes}
        for value in range(max(known) + 1):
            SubElement(names, "Category").text = xml_text(known.get(value, ""))
    band.append(attribute_table(classes, pixels))


def has_categories(classes: Sequence[ClassDefinition]) -> bool:
    """Return whether values can be positions in a list."""
    values = [each.value for each in classes]
    return min(values) >= 0 and max(values) < MOST_CATEGORIES


def attribute_table(
    classes: Sequence[ClassDefinition], pixels: Mapping[int, int] | None = None
) -> Element:
    """Return a raster attribute table: a row for each class, in order of values."""
    table = Element("GDALRasterAttributeTable", tableType="thematic")
    fields = [field for field in _FIELDS if pixels is not None or field[0] != "Count"]
    if max(each.value for each in classes) > _LARGEST_INTEGER:
        fields[0] = ("Value", "real", "min_max")
    for index, (name, kind, usage) in enumerate(fields):
        definition = SubElement(table, "FieldDefn", index=str(index))
        SubElement(definition, "Name").text = name
        SubElement(definition, "Type").text = _TYPES[kind]
        SubElement(definition, "Usage").text = _USAGES.get(usage, _ALPHA)
    for index, each in enumerate(sorted(classes, key=lambda each: each.value)):
        row = SubElement(table, "Row", index=str(index))
        count = [] if pixels is None else [pixels.get(each.value, 0)]
        for value in (each.value, *count, xml_text(each.name), *each.color, 255):
            SubElement(row, "F").text = str(value)
    return table


def add_colors(band: Element, classes: Sequence[ClassDefinition]) -> None:
    """Give a band the colours of its classes; other values are transparent."""
    known = {each.value: (*each.color, 255) for each in classes}
    colors = SubElement(band, "ColorTable")
    for value in range(max(known) + 1):
        rgba = known.get(value, (0, 0, 0, 0))
        parts = {f"c{number}": str(part) for number, part in enumerate(rgba, 1)}
        SubElement(colors, "Entry", parts)


def statistics(pixels: Mapping[int, int]) -> dict[str, str]:
    """Return what GDAL calls the statistics of a band; none where no pixel has a class."""
    counted = {value: count for value, count in pixels.items() if count}
    if not counted:
        return {}
    values = np.array(list(counted), np.float64)
    weights = np.array(list(counted.values()), np.float64)
    mean = float(np.average(values, weights=weights))
    spread = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    found: dict[str, Any] = {
        "MINIMUM": min(counted),
        "MAXIMUM": max(counted),
        "MEAN": round(mean, 12),
        "STDDEV": round(spread, 12),
    }
    return {f"STATISTICS_{name}": str(value) for name, value in found.items()}
