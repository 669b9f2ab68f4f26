"""What a file of a layer or table may be besides: something that names others, which GDAL follows.

GDAL asks all its drivers about a file, whatever it is called, and the first that knows it reads
it. So what a file must not be is looked for as those drivers do.
"""

import json
import mmap
import re
from pathlib import Path
from typing import Any

from ..catalog.errors import ItemError, SourceError
from .companions import check_places
from .siblings import OF_TABLES, beside, check_regular
from .srs_text import names_files
from .system_files import check_systems

_HEAD_BYTES = 1 << 20
"""More than GDAL looks at to tell formats."""
_OTHERS = re.compile(rb"<OGR\w*DataSource|gdal_streamed_alg|<Service\s+name=\"WFS\"", re.IGNORECASE)
"""Sources described in XML, services, and programs of GDAL."""
_SYSTEM = re.compile(rb"[\"']crs[\"']\s*(?::\s*)?", re.IGNORECASE)
"""The key of a reference system in GeoJSON, or that word as a text."""
_DISGUISED = re.compile(rb"\\u00(?:43|63|52|72|53|73)", re.IGNORECASE)
"""Letters of that word, which no program writes so."""
_LONGEST = 1 << 12
"""Bytes of a reference system in GeoJSON."""
_VIEW = re.compile(r"open\W*table|create\W*view", re.IGNORECASE)
_SEAMLESS = re.compile(r"IsSeamless\"?\s*=\s*\"?TRUE", re.IGNORECASE)
"""Tables whose rows name others."""


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
        _check_table(head.decode("latin-1"), path)


def _check_geojson(path: Path) -> None:
    """Refuse GeoJSON with a reference system that is fetched, or that names files.

    Raises:
        SourceError: It has one.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _DISGUISED.search(data):
            raise SourceError(f"{path}: spells plain letters as \\u00.., which nobody does")
        for found in _SYSTEM.finditer(data):
            if not _is_harmless(found[0], data[found.end() : found.end() + _LONGEST]):
                raise SourceError(
                    f"{path}: has a reference system that is fetched, or names files;"
                    ' say "crs": {"type": "name", "properties": {"name": "EPSG:n"}} there'
                )


def _is_harmless(key: bytes, text: bytes) -> bool:
    """Return whether a reference system in GeoJSON is a name or number, spelt as JSON has it.

    GDAL takes more than JSON: quotes of either kind, comments, keys twice and in any case.

    Args:
        key: The word, with its quotes and the colon where one follows.
        text: What comes after, and whatever follows that.
    """
    if text.startswith(b"/"):  # a comment
        return False
    if b":" not in key:  # no key
        return True
    if not text.startswith(b"{"):
        return b"'" not in key
    try:
        system, _ = json.JSONDecoder(object_pairs_hook=_once).raw_decode(
            text.decode("utf-8", errors="replace")
        )
    except (ValueError, RecursionError):
        return False
    named = system.get("properties", {})
    is_named = str(system.get("type", "name")).lower() in ("name", "epsg")
    return (
        is_named
        and b"'" not in key
        and isinstance(named, dict)
        and all(
            value is None
            or isinstance(value, int)
            or (isinstance(value, str) and not names_files(value))
            for value in named.values()
        )
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys are in lower case.

    Raises:
        ValueError: One is there twice.
    """
    found = {key.lower(): value for key, value in pairs}
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _check_table(said: str, path: Path) -> None:
    """Refuse a table of MapInfo that is made of others, wherever they are.

    Raises:
        SourceError: It is.
    """
    if _VIEW.search(said) or _SEAMLESS.search(said):
        raise SourceError(f"{path}: is made of other tables, which are not followed; give those")
