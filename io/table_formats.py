"""Formats of layers and tables that are one file, told by name and first bytes."""

import re
from dataclasses import dataclass
from pathlib import Path

from .sniff import content_type


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """A format that OGR reads, told by suffix and first bytes.

    GDAL alone would let a file that only pretends to be of it fetch others, or run commands.
    """

    driver: str
    starts: re.Pattern[bytes]
    prefix: str = ""
    """Put before the path, it keeps GDAL to that driver."""
    options: tuple[tuple[str, str], ...] = ()


_JSON = Format(driver="GeoJSON", starts=re.compile(rb"(\xef\xbb\xbf)?\s*\{"), prefix="GeoJSON:")
_KML = Format(driver="KML", starts=re.compile(rb"(?s)(\xef\xbb\xbf)?\s*<.{0,400}<(\w+:)?kml"))
_SHEETS = re.compile(rb"PK\x03\x04")
_HEADERS = (("HEADERS", "FORCE"),)
_DBF = re.compile(rb"[\x02\x03\x04\x30\x31\x32\x43\x63\x83\x8b\x8c\xcb\xf5]")
FORMATS = {
    ".shp": Format(driver="ESRI Shapefile", starts=re.compile(rb"\x00\x00\x27\x0a")),
    ".dbf": Format(driver="ESRI Shapefile", starts=_DBF),
    ".geojson": _JSON,
    ".json": _JSON,
    ".fgb": Format(driver="FlatGeobuf", starts=re.compile(rb"fgb\x03fgb")),
    ".kml": _KML,
    ".gpx": Format(driver="GPX", starts=re.compile(rb"(?s)(\xef\xbb\xbf)?\s*<.{0,400}<gpx")),
    ".xlsx": Format(driver="XLSX", starts=_SHEETS, options=_HEADERS),
    ".ods": Format(driver="ODS", starts=_SHEETS, options=_HEADERS),
    ".sqlite": Format(driver="SQLite", starts=re.compile(rb"SQLite format 3")),
    ".tab": Format(driver="MapInfo File", starts=re.compile(rb"(?i)!table")),
}
TEXT = frozenset([".csv", ".tsv"])
_HEAD_BYTES = 1024


def is_table_file(path: Path) -> bool:
    """Return whether a file is a layer or table by its name and its first bytes."""
    suffix = path.suffix.lower()
    if (suffix not in TEXT and suffix not in FORMATS) or not path.is_file():
        return False
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    if suffix in TEXT:
        return content_type(head) is None
    return FORMATS[suffix].starts.match(head) is not None
