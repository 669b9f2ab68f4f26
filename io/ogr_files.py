"""What a file of a layer or table may be besides: something that names others, which GDAL follows.

GDAL asks all its drivers about a file, whatever it is called, and the first that knows it reads
it. So what a file must not be is looked for as those drivers do.
"""

import json
import mmap
import re
from pathlib import Path

from ..catalog.errors import ItemError, SourceError
from .companions import check_places
from .siblings import OF_TABLES, beside, check_regular
from .srs_text import names_files
from .system_files import check_systems

_HEAD_BYTES = 1 << 20
"""More than GDAL looks at to tell formats."""
_OTHERS = re.compile(rb"<OGR\w*DataSource|gdal_streamed_alg|<Service\s+name=\"WFS\"", re.IGNORECASE)
"""Sources described in XML, services, and programs of GDAL."""
_SYSTEM = re.compile(rb"\"crs\"\s*:\s*", re.IGNORECASE)
_DISGUISED = re.compile(rb"\\u00(?:43|63|52|72|53|73)", re.IGNORECASE)
"""Letters of that word, which no program writes so."""
_LONGEST = 1 << 12
"""Bytes of a reference system in GeoJSON."""
_TABLES = re.compile(
    r"^\s*(?:open\s+table|file|raster|metadata)\b[ \t]*(?:\"([^\"\n]*)\"|([^\s\",]+))",
    re.IGNORECASE | re.MULTILINE,
)
_SEAMLESS = re.compile(r"IsSeamless\"?\s*=\s*\"?TRUE", re.IGNORECASE)
"""Tables whose rows name others."""
_PLAIN = re.compile(r"[^/\\:]+")
_MOST_TABLES = 100


def check_alone(path: Path) -> None:
    """Refuse a file that makes GDAL open others than those beside it that have its name.

    Args:
        path: A file that is a layer or table by its name and its first bytes.

    Raises:
        SourceError: It does.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        check_regular(path)
        check_places(path, beside(path, (".xml",), OF_TABLES))
        check_systems(path)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    except ItemError as error:
        raise SourceError(f"{path}: {error}") from error
    if _OTHERS.search(head):
        raise SourceError(f"{path}: describes other sources, which are not followed; give those")
    if path.suffix.lower() in (".geojson", ".json"):
        _check_geojson(path)
    if path.suffix.lower() == ".tab":
        _check_tables(path, set())


def _check_geojson(path: Path) -> None:
    """Refuse GeoJSON with a reference system that is fetched, or that names files.

    Raises:
        SourceError: It has one.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _DISGUISED.search(data):
            raise SourceError(f"{path}: spells plain letters as \\u00.., which nobody does")
        for found in _SYSTEM.finditer(data):
            start = found.end()
            is_object = data[start : start + 1] == b"{"
            if is_object and not _is_harmless(data[start : start + _LONGEST]):
                raise SourceError(
                    f"{path}: has a reference system that is fetched, or names files;"
                    ' say "crs": {"type": "name", "properties": {"name": "EPSG:n"}} there'
                )


def _is_harmless(text: bytes) -> bool:
    """Return whether a reference system in GeoJSON is a name or number; anything may follow it."""
    try:
        system, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", errors="replace"))
    except (ValueError, RecursionError):
        return False
    said = {str(key).lower(): value for key, value in system.items()}
    named = said.get("properties")
    if str(said.get("type")).lower() not in ("name", "epsg") or not isinstance(named, dict):
        return False
    return all(
        isinstance(value, int) or (isinstance(value, str) and not names_files(value))
        for value in named.values()
    )


def _check_tables(path: Path, known: set[Path]) -> None:
    """Refuse tables of MapInfo that are views of tables elsewhere.

    Raises:
        SourceError: One is.
    """
    known.add(path)
    try:
        with path.open(encoding="latin-1") as file:
            said = file.read(_HEAD_BYTES)
    except OSError:  # GDAL says which it lacks
        return
    if _SEAMLESS.search(said):
        raise SourceError(f"{path}: is made of other tables, which are not followed; give those")
    for name in (quoted or bare for quoted, bare in _TABLES.findall(said)):
        if not _PLAIN.fullmatch(name) or len(known) > _MOST_TABLES:
            raise SourceError(f"{path}: leads to {name[:80]!r}, out of its folder")
        for other in (path.with_name(name), path.with_name(f"{name}.tab")):
            if other not in known:
                _check_tables(other, known)
