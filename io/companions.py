"""Files beside a raster that GDAL reads with it, unasked: masks, overviews and metadata."""

import os
import stat
from collections.abc import Iterable
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
_POINTER = "OVERVIEW_FILE"
"""Key of metadata by which overviews are looked for in any file, or in a network."""


def check_companions(path: Path) -> None:
    """Refuse a raster whose mask or overviews are no pixels: GDAL would open what they name.

    Raises:
        ItemError: One is a VRT, or something else that may name other files, or a link to one
            elsewhere.
    """
    check_places(path, (f"{path}{suffix}" for suffix in (*RASTERS, _METADATA)))
    _check_regular(path)
    _check_system(Path(f"{path}{_METADATA}"))
    for suffix in RASTERS:
        companion = f"{path}{suffix}"
        head = _head(companion)
        if head is not None and content_type(head) not in _PLAIN:
            name = os.path.basename(companion)  # noqa: PTH119
            raise ItemError(f"{name} beside it is no raster but {describe(head)}; remove it")


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
    beside = Path(f"{path}{_METADATA}")
    if beside.is_file():
        try:
            root = parse_xml(beside.read_bytes())
        except (OSError, ValueError) as error:
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
    stem, kind = os.path.splitext(os.fspath(path))  # noqa: PTH122
    world = (f"{kind[:2]}{kind[-1:]}w", f"{kind}w", ".wld", ".prj", ".hdr", ".rpb", ".imd", ".aux")
    beside = [f"{path}{suffix}" for suffix in (*RASTERS, _METADATA, ".aux")]
    beside += [f"{stem}{form}" for suffix in world for form in (suffix.lower(), suffix.upper())]
    for name in beside:
        try:
            mode = os.stat(name).st_mode  # noqa: PTH116
        except OSError:
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise ItemError(f"{os.path.basename(name)} beside it is no regular file; remove it")  # noqa: PTH119


def _check_system(metadata: Path) -> None:
    """Refuse metadata whose reference system makes PROJ open files.

    Raises:
        ItemError: It does.
    """
    try:
        data = metadata.read_bytes()
    except OSError:
        return
    try:
        systems = systems_in(parse_xml(data))
    except ValueError as error:  # GDAL reads some XML that is none
        if any(word in data.upper() for word in (b"SRS", b"PROJECTION")):
            raise ItemError(f"{metadata.name} beside it is damaged: {error}; remove it") from error
        return
    for system in filter(names_files, systems):
        raise ItemError(
            f"{metadata.name} beside it has a reference system that names files,"
            f" {system[:80]!r}; remove it"
        )


def _head(path: str) -> bytes | None:
    """Return the first bytes of a file, None where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return None
