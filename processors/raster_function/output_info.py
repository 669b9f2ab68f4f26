"""What ``updateRasterInfo`` says of the output: its type and its classes."""

import json
import re
from collections.abc import Mapping
from typing import Any

from ...catalog.errors import ModelError
from ...catalog.records import ClassDefinition
from ..class_list import CLASS_VALUES, color_of
from ..numbers import whole_number
from ..output_classes import with_background

_TYPES = ("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8")
_KINDS = {"u": "u", "uint": "u", "i": "i", "int": "i", "s": "i", "f": "f", "float": "f"}
_BITS = {"8": "1", "16": "2", "32": "4", "64": "8"}
_VALUES = ("value", "classvalue")
_NAMES = ("class", "classname", "class_name")

Classes = tuple[ClassDefinition, ...]


def output_type(said: object) -> str:
    """Return a pixel type as ArcGIS writes it; ``u8`` and ``uint8`` are meant as bits.

    Raises:
        ModelError: It is none.
    """
    text = str(said).strip().lower()
    if text in _TYPES:
        return text
    parts = re.fullmatch(r"([a-z]+)(\d+)", text)
    known = parts and f"{_KINDS.get(parts[1])}{_BITS.get(parts[2])}"
    if not known or known not in _TYPES:
        raise ModelError(f"pixelType of its output is {said!r}, not one of {', '.join(_TYPES)}")
    return known


def check_output(output: Mapping[str, Any]) -> None:
    """Check that the output is a class raster.

    Raises:
        ModelError: It is something else.
    """
    kind = output_type(output.get("pixelType"))
    if kind.startswith("f"):
        raise ModelError(
            f"pixelType of its output is {kind} (probabilities); only class rasters are supported"
        )
    if output.get("bandCount", 1) != 1:
        raise ModelError(f"its output has {output['bandCount']} bands; a class raster has one")


def output_classes(output: Mapping[str, Any], listed: Classes) -> Classes:
    """Return the classes: those of the attribute table, else those of the definition.

    Args:
        output: What ``updateRasterInfo`` says.
        listed: The classes of the definition.

    Raises:
        ModelError: Neither lists any, or the table is damaged.
    """
    classes = _of_table(output.get("rasterAttributeTable")) or listed
    if not classes:
        raise ModelError("it names no classes; list its Classes in the .emd or give --classes")
    return with_background(classes)


def _of_table(table: Any) -> Classes:
    if isinstance(table, str) and table.strip():
        try:
            table = json.loads(table)
        except ValueError as error:
            raise ModelError(f"its rasterAttributeTable is not valid JSON: {error}") from None
    if not isinstance(table, Mapping):
        return ()
    rows = [
        row.get("attributes") for row in table.get("features") or () if isinstance(row, Mapping)
    ]
    classes = tuple(_class(number, row) for number, row in enumerate(rows))
    values = [each.value for each in classes]
    if len(set(values)) < len(values):
        raise ModelError(f"its rasterAttributeTable repeats a value: {values}")
    return classes


def _class(number: int, row: Any) -> ClassDefinition:
    fields = {str(k).lower(): v for k, v in row.items()} if isinstance(row, Mapping) else {}
    try:
        value = whole_number(next(fields[name] for name in _VALUES if name in fields))
    except (StopIteration, ValueError):
        raise ModelError(f"row {number + 1} of its rasterAttributeTable has no value") from None
    if value not in CLASS_VALUES:
        raise ModelError(f"its rasterAttributeTable has the value {value}, beyond 32 bits")
    names = [str(fields[name]).strip() for name in _NAMES if fields.get(name) is not None]
    name = next(filter(None, names), f"class {value}")
    rgb = [fields.get(part) for part in ("red", "green", "blue")]
    return ClassDefinition(value=value, name=name, color=color_of(rgb, number))
