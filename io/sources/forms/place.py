"""Where a submission was made: the columns that say it, and reading them."""

import re
from collections.abc import Callable, Sequence

import shapely

from ....catalog.errors import SourceError

_WORDS = (("latitude", "longitude"), ("lat", "long|lng|lon"), ("y", "x"))
"""How columns say which of the two they are, the plainest first."""
_NUMBER = r"[+-]?\d+(?:[.,]\d+)?"
_GEOPOINT = re.compile(rf"({_NUMBER}) ({_NUMBER})(?: ({_NUMBER}))?(?: ({_NUMBER}))?")

Locate = Callable[[Sequence[str]], bytes | None]
"""Cells of a row → the point as WKB, longitude first; None where there is none."""


def from_columns(lon: int, lat: int) -> Locate:
    """Return how to read a point from two columns."""
    return lambda cells: _point(cells[lon], cells[lat])


def from_geopoint(column: int) -> Locate:
    """Return how to read a point from a column ``latitude longitude altitude accuracy``."""

    def locate(cells: Sequence[str]) -> bytes | None:
        match = _GEOPOINT.fullmatch(cells[column].strip())
        return _point(match[2], match[1]) if match else None

    return locate


def coordinate_columns(header: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs (longitude, latitude) of columns whose names differ in just that word."""
    pairs = []
    for lat, lon in _WORDS:
        latitudes = _stems(header, lat)
        for stem, index in _stems(header, lon).items():
            if stem in latitudes:
                pairs.append((index, latitudes[stem]))
    return pairs


def _stems(header: Sequence[str], word: str) -> dict[str, int]:
    """Return columns that have a word in their name, by the rest of it."""
    stems: dict[str, int] = {}
    for index, name in enumerate(header):
        stem, found = re.subn(rf"(?<![a-z])({word})(?![a-z])", "*", name.lower())
        if found:
            stems.setdefault(stem, index)
    return stems


def chosen_columns(header: Sequence[str], xy: tuple[str, str], table: str) -> tuple[int, int]:
    """Return the columns that the user names for x and y.

    Raises:
        SourceError: No such column.
    """
    names = [name.lower() for name in header]
    for name in xy:
        if name.lower() not in names:
            raise SourceError(f"{table}: no column {name}; there are {', '.join(header)}")
    return names.index(xy[0].lower()), names.index(xy[1].lower())


def may_be_geopoint(cell: str) -> bool:
    """Return whether a cell reads ``latitude longitude``: with a fraction, unlike choices."""
    return "." in cell and _GEOPOINT.fullmatch(cell.strip()) is not None


def _point(lon: str, lat: str) -> bytes | None:
    try:
        x, y = float(lon.strip().replace(",", ".")), float(lat.strip().replace(",", "."))
    except ValueError:
        return None
    if not (abs(x) <= 180 and abs(y) <= 90):
        return None
    wkb: bytes = shapely.to_wkb(shapely.Point(x, y))
    return wkb
