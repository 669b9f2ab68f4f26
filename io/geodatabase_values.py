"""Values and geometries of the catalog as fiona writes them to a file geodatabase."""

import base64
from datetime import UTC, datetime
from typing import Any

import shapely


def shape(wkb: bytes, *, multiple: bool) -> Any:
    """Return a geometry as fiona takes it, as one of several parts where the layer has such."""
    found = shapely.from_wkb(wkb)
    if multiple and not hasattr(found, "geoms"):
        found = getattr(shapely, f"Multi{found.geom_type}")([found])
    return shapely.geometry.mapping(found)


def converted(kind: str, value: Any) -> Any:
    """Return a value as fiona takes it for a column of a kind."""
    if kind == "datetime":
        return when(value)
    if kind == "float":
        return float(value)
    if kind.startswith("str"):
        return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
    return value


def when(text: str) -> datetime:
    """Return a date or time without a zone, as a geodatabase has it; in UTC where it had one.

    Raises:
        ValueError: It is none.
    """
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
