"""Files beside a raster that GDAL reads with it, unasked: masks, overviews and metadata."""

import os
from collections.abc import Iterable
from pathlib import Path

from ..catalog.errors import ItemError
from .safe_xml import parse_xml
from .siblings import beside, check_regular
from .sniff import HEAD_BYTES, content_type, describe
from .system_files import METADATA, check_systems, content

RASTERS = (".msk", ".ovr")
_PLAIN = ("image/tiff", "image/x-erdas-hfa")
"""What GDAL writes them as."""
SPILLING = "HFA"
"""The driver of rasters that name the file with their pixels."""
POINTER = "OVERVIEW_FILE"
"""Key of metadata by which overviews are looked for in any file, or in a network."""


def check_companions(path: Path) -> None:
    """Refuse a raster whose mask or overviews are no pixels: GDAL would open what they name.

    Raises:
        ItemError: One is a VRT, or something else that may name other files, or a link to one
            elsewhere.
    """
    rasters = beside(path, RASTERS)
    check_places(path, (*rasters, *beside(path, (METADATA,))))
    check_regular(path)
    check_systems(path)
    for each in rasters:
        head = _head(each)
        if head is not None and content_type(head) not in _PLAIN:
            raise ItemError(f"{each.name} beside it is no raster but {describe(head)}; remove it")


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
    for each in beside(path, (METADATA,)):
        try:
            root = parse_xml(content(each) or b"<PAMDataset/>")
        except ValueError as error:
            raise ItemError(f"{each} cannot be read: {error}") from error
        said = [
            text for e in root.iter() for text in (e.tag, e.text, *e.keys(), *e.attrib.values())
        ]
        if any(text and POINTER in text.upper() for text in said):
            raise ItemError(f"{each} names other files as overviews; remove it")
    if POINTER in {key.upper() for key in metadata_of(path, driver, "OVERVIEWS")}:
        raise ItemError(f"{path} names other files as its overviews")


def _head(path: Path) -> bytes | None:
    """Return the first bytes of a file, None where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return None
