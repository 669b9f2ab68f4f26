"""Values as pyogrio gives them → values as a GeoPackage holds them."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        return _utc(str(value))
    if isinstance(value, np.ndarray):  # a list of texts or numbers
        return json.dumps(value.tolist(), ensure_ascii=False)
    return value if isinstance(value, str | int | float | bytes) else str(value)


def _utc(text: str) -> str:
    """Return a time as GeoPackage writes it; one without a zone is taken as UTC, as GDAL does."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
