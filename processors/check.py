"""Whether a catalog is whole, and everything that it lists is where it says."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..catalog import integrity
from ..catalog.errors import ItemError
from ..catalog.lock import rasters_folder
from ..catalog.query import read_only
from ..io.class_raster_in import tags_of
from ..io.content import digest
from ..io.publish import is_draft
from ..io.sidecars import lost, raster_of

_AGAIN = "delete it and classify again"


class Finding(NamedTuple):
    """Something that is not as it should be."""

    what: str
    """``catalog``, ``raster``, ``mosaic``, ``leftover`` or ``source``."""
    name: str
    problem: str


def check(catalog: str | os.PathLike[str], *, deep: bool = False) -> list[Finding]:
    """Look for what is damaged or missing; nothing is changed.

    GDAL shows tiles of a mosaic whose files are gone as NoData, without a word: this tells.

    Args:
        catalog: The catalog.
        deep: Read every raster and compare it with its hash.

    Raises:
        SourceError: No such catalog.
        CatalogError: Damaged beyond reading, or no catalog.
    """
    path = Path(catalog).resolve()
    with read_only(path) as connection:
        found = [Finding("catalog", path.name, text) for text in integrity.damages(connection)]
        listed = integrity.rasters(connection)
        tiles = list(integrity.mosaic_tiles(connection))
        sources = integrity.sources(connection)
    found += _rasters(path.parent, listed, deep)
    found += (
        Finding("mosaic", location, f"{table} shows NoData there: its file is gone")
        for table, location in tiles
        if not (path.parent / location).is_file()
    )
    found += _leftovers(path, {each.path for each in listed})
    found += (
        Finding("source", uri, "is gone: its images cannot be classified again")
        for _, uri in sources
        if uri.startswith("/") and not Path(uri).exists()
    )
    return found


def _rasters(folder: Path, listed: list[integrity.RasterRow], deep: bool) -> Iterator[Finding]:
    """Yield what is wrong with rasters; one that several outputs name is looked at once."""
    for path, row in {each.path: each for each in listed}.items():
        problem = _problem(folder / path, row.sha256 if deep else None)
        if problem:
            yield Finding("raster", path, f"run {row.run_id}, {row.image_name}: {problem}")


def _problem(path: Path, sha256: str | None) -> str | None:
    if not path.is_file():
        return "is gone; classify again"
    tags = tags_of(path)
    if tags is None:
        return f"cannot be opened; {_AGAIN}"
    try:
        if sha256 is not None and digest(path) != sha256:
            return f"is not what was written; {_AGAIN}"
    except ItemError as error:
        return str(error)
    gone = lost(path, tags)
    return f"{', '.join(gone)} beside it is gone; class names come from there" if gone else None


def _leftovers(catalog: Path, listed: set[str]) -> Iterator[Finding]:
    """Yield rasters that no output names, and drafts that a killed process left."""
    folder = rasters_folder(catalog)
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = path.relative_to(catalog.parent).as_posix()
        if is_draft(path):
            yield Finding("leftover", name, "a draft that a stopped run left; the next one sweeps")
        elif path.suffix == ".tif" and name not in listed:
            yield Finding("leftover", name, "no output of the catalog names it")
        elif _is_stray(path, catalog.parent, listed):
            yield Finding("leftover", name, "the class raster that it belongs to is gone")


def _is_stray(path: Path, folder: Path, listed: set[str]) -> bool:
    """Return whether a file lies beside a class raster that neither is there nor is missed."""
    raster = raster_of(path)
    if raster is None or raster.is_file():
        return False
    return raster.relative_to(folder).as_posix() not in listed
