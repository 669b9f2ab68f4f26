"""What a GDAL tile index says of its mosaic, in XML or as metadata of its layer."""

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from xml.etree.ElementTree import Element

from ..catalog.errors import SourceError
from . import srs
from .members import Frame
from .rectangles import Bounds
from .safe_xml import parse_xml
from .sqlite_source import is_sqlite, opened, table_columns

ROOT = "GDALTileIndexDataset"
_LEAST = 1e-12
"""Units: no pixel is smaller."""
Facts = Mapping[str, str]
"""By the name of GDAL, in capital letters and without underscores: ``RESX``, ``SORTFIELD``."""


def facts_of_xml(path: Path) -> Facts:
    """Return what a ``.gti`` file says.

    Raises:
        SourceError: It is none.
    """
    try:
        root = parse_xml(path.read_bytes())
    except ValueError as error:
        raise SourceError(f"{path}: not well-formed: {error}") from error
    if root.tag != ROOT:
        raise SourceError(f"{path}: its XML is no {ROOT}")
    return _of_element(root)


def facts_of_database(path: Path) -> Facts:
    """Return what the metadata of a GeoPackage say of the tile index in it."""
    facts: dict[str, str] = {}
    if not is_sqlite(path):
        return facts
    with opened(path) as connection:
        if not table_columns(connection, "gpkg_metadata"):
            return facts
        for (text,) in connection.execute("SELECT metadata FROM gpkg_metadata"):
            with suppress(ValueError):
                root = parse_xml(str(text).encode())
                for element in (*root.iter("GDALMetadata"), *root.iter(ROOT)):
                    facts |= _of_element(element)
                facts |= _of_element(root)
    return facts


def frame_of(facts: Facts) -> Frame:
    """Return the grid that a tile index asks for.

    Raises:
        SourceError: It is none: not positive cells, or an unknown reference system.
    """
    sides = [_number(facts, name) for name in ("MINX", "MINY", "MAXX", "MAXY")]
    across, down = _number(facts, "RESX"), _number(facts, "RESY")
    for name, size in (("ResX", across), ("ResY", down)):
        if size is not None and not _LEAST < size < math.inf:
            raise SourceError(f"{name} of the tile index, {size}, is no size of a pixel")
    bounds: Bounds | None = None
    if None not in sides:
        west, south, east, north = (side or 0.0 for side in sides)
        bounds = (west, south, east, north)
    system = facts.get("SRS")
    if system and srs.describe(system) is None:
        raise SourceError(f"SRS of the tile index, {system[:80]}, is no reference system")
    return Frame(
        crs=system or None,
        cell=(across, down) if across and down else None,
        bounds=bounds,
    )


def order_of(facts: Facts) -> str:
    """Return which tile is seen, as GDAL has it: the last, or that of the greatest value."""
    column = facts.get("SORTFIELD")
    if not column:
        return "last"
    falls = facts.get("SORTFIELDASC", "YES").upper() in ("NO", "FALSE", "0", "OFF")
    return f'"{column}" {"asc" if falls else "desc"}'


def _of_element(root: Element) -> dict[str, str]:
    plain = [(child.tag, child.text) for child in root if not len(child)]
    named = [(child.get("key", ""), child.text) for child in root.iter("MDI")]
    return {
        name.upper().replace("_", ""): text.strip()
        for name, text in (*plain, *named)
        if text and text.strip()
    }


def _number(facts: Facts, name: str) -> float | None:
    try:
        value = float(facts[name])
    except (KeyError, ValueError):
        return None
    if not math.isfinite(value):
        raise SourceError(f"{name} of the tile index, {value}, is no number")
    return value
