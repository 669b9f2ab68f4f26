"""Points for tables that have no geometry but two columns of coordinates."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import shapely

from ..catalog.records import Feature, SqlValue


def with_points(features: Iterable[Feature], x: str, y: str) -> Iterator[Feature]:
    """Give features points of longitude and latitude; none where these are no such numbers."""
    for feature in features:
        lon = _number(feature.attributes.get(x), 180.0)
        lat = _number(feature.attributes.get(y), 90.0)
        if lon is None or lat is None:
            yield feature
        else:
            point = shapely.to_wkb(shapely.Point(lon, lat))
            yield replace(feature, geometry=point, location=point)


def _number(value: SqlValue, largest: float) -> float | None:
    """Return a coordinate; a comma may stand for the decimal point."""
    try:
        number = float(str(value).strip().replace(",", "."))
    except ValueError:
        return None
    return number if abs(number) <= largest else None
