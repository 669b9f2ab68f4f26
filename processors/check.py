"""Whether a catalog is whole, and everything that it lists is where it says."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..catalog import container_check, integrity
from ..catalog.errors import ItemError, first_line
from ..catalog.listed_rasters import is_in, is_there, listed_place
from ..catalog.lock import rasters_folder
from ..catalog.query import read_only
from ..io.class_raster_in import damage, tags_of
from ..io.content import digest
from ..io.publish import is_draft
from ..io.sidecars import lost, raster_of
from .check_sources import lost_sources

_COMPANIONS = (".aux.xml", ".qml", ".qmd", ".sld", ".lyrx", ".clr")
"""What GIS programs leave beside a raster that they have shown; class rasters stay what they are."""
_FOLDER = "is gone, and a folder has its name: remove that first"
"""What is said where nothing can be put in the place of a raster."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    what: str
    """``catalog``, ``raster``, ``mosaic``, ``draft``, ``leftover`` or ``source``."""
    name: str
    problem: str
    done: str = ""
    """What ``repair`` did about it, or why nothing; empty where nothing was to be repaired."""
    is_open: bool = True
    """Whether it is still so."""
    outputs: tuple[int, ...] = ()
    """Of a raster: the outputs that name it."""
    is_blocked: bool = False
    """Of a raster: whether a folder has its name, so that it cannot be made again."""
    run_id: int | None = None
    """Of a tile in a mosaic: the run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What :func:`inspect` found."""

    findings: Sequence[Finding]
    lost_outputs: Collection[int]
    """Outputs of images whose source is gone: nobody could make them again."""

    @property
    def is_damaged(self) -> bool:
        """Whether the pages of the file itself are damaged."""
        return any(f.what == "catalog" and f.problem.startswith("damaged") for f in self.findings)


def check(
    catalog: str | os.PathLike[str], *, deep: bool = False, repair: bool = False
) -> list[Finding]:
    """Look for what is damaged or missing; nothing is changed unless asked for.

    GDAL shows tiles of a mosaic whose files are gone as NoData, without a word: this tells.

    Args:
        catalog: The catalog.
        deep: Read every raster and every image, and compare them with their hashes.
        repair: Return images to pending whose rasters are lost or damaged, so that the next run
            makes them anew; write mosaics anew that show them; remove drafts of killed
            processes. Nothing else is changed, and no other file removed.

    Raises:
        SourceError: No such catalog.
        CatalogError: Damaged beyond reading, or no catalog; CatalogBusyError where a run has it
            that is to be repaired.
    """
    path = Path(catalog)
    if not repair:
        return list(inspect(path, deep=deep).findings)
    from .repair import repaired

    return repaired(path, deep=deep)


def inspect(catalog: Path, *, deep: bool) -> Inspection:
    """Look at everything; see :func:`check`."""
    path = catalog.resolve()
    with read_only(path) as connection:
        texts = integrity.damages(connection)
        if not texts:
            texts = [*container_check.problems(connection), *integrity.orphans(connection)]
        found = [Finding(what="catalog", name=path.name, problem=text) for text in texts]
        listed = integrity.rasters(connection)
        tiles = list(integrity.mosaic_tiles(connection))
    rasters = list(_rasters(path.parent, listed, deep))
    sources, lost = lost_sources(path, deep=deep)
    found += rasters
    found += _mosaics(path.parent, tiles)
    found += _leftovers(path, {each.path for each in listed})
    found += (Finding(what="source", name=name, problem=problem) for name, problem in sources)
    lost_outputs = {row.output_id for row in listed if row.item_id in lost}
    return Inspection(findings=found, lost_outputs=lost_outputs)


def _rasters(folder: Path, listed: list[integrity.RasterRow], deep: bool) -> Iterator[Finding]:
    """Yield what is wrong with rasters; one that several outputs name is looked at once."""
    named: defaultdict[str, list[integrity.RasterRow]] = defaultdict(list)
    for row in listed:
        named[row.path].append(row)
    for path, rows in named.items():
        try:
            problem = _problem(listed_place(folder, path), rows[0], deep)
        except (ItemError, OSError) as error:
            problem = first_line(error)
        if problem:
            yield Finding(
                what="raster",
                name=path,
                problem=f"run {rows[0].run_id}, {rows[0].image_name}: {problem}",
                outputs=tuple(row.output_id for row in rows),
                is_blocked=problem == _FOLDER,
            )


def _problem(path: Path, row: integrity.RasterRow, deep: bool) -> str | None:
    if path.is_dir():
        return _FOLDER
    if not path.is_file():
        return "is gone"
    size = None if row.width is None or row.height is None else (row.width, row.height)
    problem = damage(path, size)
    if problem:
        return problem
    try:
        if deep and row.sha256 is not None and digest(path) != row.sha256:
            return "is not what was written"
    except ItemError as error:
        return str(error)
    gone = lost(path, tags_of(path) or {})
    return f"{', '.join(gone)} beside it is gone; class names come from there" if gone else None


def _mosaics(folder: Path, tiles: Sequence[integrity.TileRow]) -> Iterator[Finding]:
    for tile in tiles:
        problem = None
        if not is_there(folder, tile.location):
            problem = f"{tile.table} shows NoData there: its file is gone"
        elif not tile.is_listed:
            problem = f"{tile.table} shows it, and no output of the catalog names it"
        if problem:
            yield Finding(what="mosaic", name=tile.location, problem=problem, run_id=tile.run_id)


def _leftovers(catalog: Path, listed: set[str]) -> Iterator[Finding]:
    """Yield files that no output names, and drafts that a killed process left."""
    folder = rasters_folder(catalog)
    if not is_in(catalog.parent, folder):
        problem = (
            "is a link that leads out of the folder of the catalog; nothing there is looked at"
        )
        yield Finding(what="leftover", name=folder.name, problem=problem)
        return
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = path.relative_to(catalog.parent).as_posix()
        if path.is_dir() or name in listed:
            continue
        if is_draft(path):
            yield Finding(what="draft", name=name, problem="a stopped run left it half-written")
        elif (raster := raster_of(path)) is not None:
            if not (raster.is_file() or raster.relative_to(catalog.parent).as_posix() in listed):
                problem = "the class raster that it belongs to is gone"
                yield Finding(what="leftover", name=name, problem=problem)
        elif not path.name.endswith(_COMPANIONS):
            yield Finding(what="leftover", name=name, problem="no output of the catalog names it")
