"""A GeoJSON feature collection as a table of text, with the shape of each feature beside it."""

import json
from collections.abc import Iterator
from typing import Any

import shapely

from ....catalog.errors import ItemError, SourceError
from ...text_tables import Open
from .archive import DAMAGED

_MAX_BYTES = 256 << 20


def is_collection(head: bytes) -> bool:
    """Return whether the first bytes are a feature collection's."""
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and b"FeatureCollection" in head


def header(where: str, open_: Open) -> list[str]:
    """Return the names of all properties in the order of their first use; none if unreadable."""
    names: dict[str, None] = {}
    try:
        for feature in _features(where, open_):
            names.update(dict.fromkeys(_properties(feature)))
    except (SourceError, ItemError):
        return []
    return list(names)


def rows(where: str, open_: Open, names: list[str]) -> Iterator[list[str]]:
    """Yield the properties of each feature as text, and last its shape as hexadecimal WKB."""
    for feature in _features(where, open_):
        values = _properties(feature)
        yield [*(_text(values.get(name)) for name in names), _shape(feature)]


def _features(where: str, open_: Open) -> list[Any]:
    try:
        with open_() as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES >> 20} MiB")
        features = json.loads(data.decode("utf-8-sig", "replace"))["features"]
    except (TypeError, KeyError, *DAMAGED) as error:
        raise SourceError(f"{where}: no readable feature collection: {error}") from error
    return features if isinstance(features, list) else []


def _properties(feature: Any) -> dict[str, Any]:
    values = feature.get("properties") if isinstance(feature, dict) else None
    return {_sound(k): v for k, v in values.items()} if isinstance(values, dict) else {}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return _sound(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _sound(text: str) -> str:
    """Return a text without the halves of characters that JSON allows and UTF-8 does not."""
    return text.encode("utf-8", "replace").decode()


def _shape(feature: Any) -> str:
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if not geometry:
        return ""
    try:
        shape = shapely.from_geojson(json.dumps(geometry))
    except (shapely.GEOSException, ValueError):
        return ""
    return "" if shape is None else str(shapely.to_wkb(shapely.force_2d(shape), hex=True))
