"""Files beside a raster that GDAL reads with it, unasked: masks, overviews and metadata."""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ..catalog.errors import ItemError
from .safe_xml import parse_xml
from .sniff import HEAD_BYTES, content_type, describe
from .srs_text import names_files, systems_in

RASTERS = (".msk", ".ovr")
_PLAIN = ("image/tiff", "image/x-erdas-hfa")
"""What GDAL writes them as."""
SPILLING = "HFA"
"""The driver of rasters that name the file with their pixels."""
_METADATA = ".aux.xml"
_MOST_METADATA = 32 << 20
"""Bytes."""
MOST_SIBLINGS = 1000
"""Of folders with more files GDAL makes no list, and asks for a companion by its exact name."""
_DOTS = 2
"""The folder itself and the one above, which GDAL counts."""
_POINTER = "OVERVIEW_FILE"
"""Key of metadata by which overviews are looked for in any file, or in a network."""


def check_companions(path: Path) -> None:
    """Refuse a raster whose mask or overviews are no pixels: GDAL would open what they name.

    Raises:
        ItemError: One is a VRT, or something else that may name other files, or a link to one
            elsewhere.
    """
    rasters, metadata = _beside(path, RASTERS), _beside(path, (_METADATA,))
    check_places(path, (*rasters, *metadata))
    _check_regular(path)
    for each in metadata:
        _check_system(each)
    for each in rasters:
        head = _head(each)
        if head is not None and content_type(head) not in _PLAIN:
            raise ItemError(f"{each.name} beside it is no raster but {describe(head)}; remove it")


def _beside(path: Path, suffixes: Sequence[str], world: Sequence[str] = ()) -> tuple[Path, ...]:
    """Return the files beside a raster that GDAL takes for its companions.

    Where a folder has few files GDAL looks among them for a name in whatever case, else
    for the name itself.

    Args:
        path: The raster.
        suffixes: Put after its name.
        world: Put in place of its suffix.
    """
    ways = [(path.name, suffix) for suffix in suffixes] + [(path.stem, suffix) for suffix in world]
    exact = {
        path.with_name(f"{stem}{form}")
        for stem, suffix in ways
        for form in (suffix, suffix.lower(), suffix.upper())
    }
    found = {each for each in exact if os.path.lexists(each)}
    wanted = {each.name.lower() for each in exact}
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in islice(entries, MOST_SIBLINGS + _DOTS):
            if entry.name.lower() in wanted:
                found.add(path.with_name(entry.name))
    return tuple(sorted(found))


def check_places(path: Path, files: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse a raster of several files of which one lies, or leads, out of its folder.

    Args:
        path: The raster; a link to one is as good.
        files: All of its files.

    Raises:
        ItemError: One does.
    """
    folders = {path.parent.resolve(), path.resolve().parent}
    for file in files:
        where = Path(os.path.realpath(file))
        if not any(where.is_relative_to(folder) for folder in folders):
            raise ItemError(f"GDAL reads {file} with it, which leads out of its folder; remove it")


def check_overviews(path: Path, driver: str) -> None:
    """Refuse a raster that looks for its overviews elsewhere, or with odd companions.

    GDAL opens overviews where something is read at a coarser scale: in VRTs.

    Args:
        path: The raster.
        driver: The GDAL driver that reads it.

    Raises:
        ItemError: It does.
    """
    from .raster_facts import files_of, metadata_of

    check_companions(path)
    if driver == SPILLING:
        check_places(path, files_of(path, driver))
    for beside in _beside(path, (_METADATA,)):
        try:
            root = parse_xml(_content(beside) or b"<PAMDataset/>")
        except ValueError as error:
            raise ItemError(f"{beside} cannot be read: {error}") from error
        said = [
            text for e in root.iter() for text in (e.tag, e.text, *e.keys(), *e.attrib.values())
        ]
        if any(text and _POINTER in text.upper() for text in said):
            raise ItemError(f"{beside} names other files as overviews; remove it")
    if _POINTER in {key.upper() for key in metadata_of(path, driver, "OVERVIEWS")}:
        raise ItemError(f"{path} names other files as its overviews")


def _check_regular(path: Path) -> None:
    """Refuse a raster beside which a pipe or device has a name that GDAL opens: it would wait.

    Raises:
        ItemError: There is one.
    """
    kind = path.suffix
    world = (f"{kind[:2]}{kind[-1:]}w", f"{kind}w", ".wld", ".prj", ".hdr", ".rpb", ".imd", ".aux")
    for each in _beside(path, (*RASTERS, _METADATA, ".aux"), world):
        try:
            mode = each.stat().st_mode
        except OSError:
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise ItemError(f"{each.name} beside it is no regular file; remove it")


def _check_system(metadata: Path) -> None:
    """Refuse metadata whose reference system makes PROJ open files.

    Raises:
        ItemError: It does.
    """
    data = _content(metadata)
    try:
        systems = systems_in(parse_xml(data)) if data else ()
    except ValueError as error:  # GDAL reads some XML that is none
        if any(word in data.upper() for word in (b"SRS", b"PROJECTION")):
            raise ItemError(f"{metadata.name} beside it is damaged: {error}; remove it") from error
        return
    for system in filter(names_files, systems):
        raise ItemError(
            f"{metadata.name} beside it has a reference system that names files,"
            f" {system[:80]!r}; remove it"
        )


def _content(metadata: Path) -> bytes:
    """Return what a file of metadata holds; nothing where it cannot be read, by GDAL neither.

    Raises:
        ItemError: It is too large to be looked at.
    """
    try:
        with metadata.open("rb") as file:
            data = file.read(_MOST_METADATA + 1)
    except OSError:
        return b""
    if len(data) > _MOST_METADATA:
        raise ItemError(
            f"{metadata.name} beside it has more than {_MOST_METADATA >> 20} MB; remove it"
        )
    return data


def _head(path: Path) -> bytes | None:
    """Return the first bytes of a file, None where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return None
