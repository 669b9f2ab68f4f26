"""Reference systems in text files beside others, of which PROJ would open what they name."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..catalog.errors import ItemError
from .safe_xml import parse_xml
from .siblings import beside
from .srs_text import names_files, suspects, systems_in

METADATA = ".aux.xml"
_MOST_BYTES = 32 << 20
_OF_ENVI = re.compile(r"coordinate.system.string\s*=\s*\{?([^}]*)", re.IGNORECASE)


def check_systems(path: Path) -> None:
    """Refuse a file whose reference system, in a file beside it, makes PROJ open files.

    Raises:
        ItemError: It does, or it cannot be told.
    """
    for each in beside(path, (METADATA,)):
        _refuse(each, _in_metadata(each))
    for each in beside(path, (".prj",), (".prj",)):
        _refuse(each, suspects(content(each).decode("latin-1")))
    for each in beside(path, (".hdr",), (".hdr",)):
        _refuse(each, _OF_ENVI.findall(content(each).decode("latin-1")))


def content(path: Path) -> bytes:
    """Return what a file of metadata holds; nothing where it cannot be read, by GDAL neither.

    Raises:
        ItemError: It is too large to be looked at.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError:
        return b""
    if len(data) > _MOST_BYTES:
        raise ItemError(f"{path.name} beside it has more than {_MOST_BYTES >> 20} MB; remove it")
    return data


def _refuse(path: Path, systems: Iterator[str] | list[str]) -> None:
    for system in filter(names_files, systems):
        raise ItemError(
            f"{path.name} beside it has a reference system that names files,"
            f" {system[:80]!r}; remove it"
        )


def _in_metadata(path: Path) -> Iterator[str]:
    data = content(path)
    try:
        yield from systems_in(parse_xml(data)) if data else ()
    except ValueError as error:  # GDAL reads some XML that is none
        if any(word in data.upper() for word in (b"SRS", b"PROJECTION")):
            raise ItemError(f"{path.name} beside it is damaged: {error}; remove it") from error
