"""Values as pyogrio gives them → values as a GeoPackage holds them."""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalog.geopackage import utc
from ..catalog.records import SqlValue

SQL_TYPES = {
    ("OFTInteger", "OFSTBoolean"): "BOOLEAN",
    ("OFTInteger", "OFSTInt16"): "SMALLINT",
    ("OFTInteger", "OFSTNone"): "MEDIUMINT",
    ("OFTInteger64", "OFSTNone"): "INTEGER",
    ("OFTReal", "OFSTFloat32"): "FLOAT",
    ("OFTReal", "OFSTNone"): "DOUBLE",
    ("OFTDate", "OFSTNone"): "DATE",
    ("OFTDateTime", "OFSTNone"): "DATETIME",
    ("OFTBinary", "OFSTNone"): "BLOB",
}
"""OGR field type and subtype → GeoPackage column type; anything else is TEXT."""


_WHOLE = frozenset(["SMALLINT", "MEDIUMINT", "INTEGER", "BOOLEAN"])


def sql_values(sql_type: str, field: NDArray[Any]) -> list[SqlValue]:
    """Return a column as SQL values; pyogrio makes integers with NULL floats with NaN."""
    return [_value(value, sql_type) for value in field.tolist()]


def _value(value: Any, sql_type: str) -> SqlValue:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if sql_type in _WHOLE:
        return int(value)
    if sql_type == "DATETIME":
        return utc(str(value))
    if isinstance(value, np.ndarray):  # a list of texts or numbers
        return json.dumps(value.tolist(), ensure_ascii=False)
    return value if isinstance(value, str | int | float | bytes) else str(value)
