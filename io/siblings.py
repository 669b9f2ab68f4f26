"""The files of a folder that GDAL reads with another one of it, unasked, told by their names."""

import os
import stat
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..catalog.errors import ItemError

MOST_SIBLINGS = 1000
"""Of folders with more files GDAL makes no list, and asks for a companion by its exact name."""
_DOTS = 2
"""The folder itself and the one above, which GDAL counts."""
_SETTLED_NS = 2_000_000_000
"""A folder may change twice within a tick of its clock."""
_TICK_NS = 5_000_000
_OF_SCENES = ("METADATA.DIM", "metadata.dim", "summary.txt")
"""What satellite scenes have in their folders, whatever the rasters are called."""
OF_TABLES = (
    *(
        ".cpg",
        ".dat",
        ".dbf",
        ".id",
        ".idm",
        ".ind",
        ".map",
        ".mix",
        ".prj",
        ".qix",
        ".sbn",
        ".sbx",
    ),
    *(".shp", ".shx", ".tab"),
)
"""Suffixes of the files that are a Shapefile, or a table of MapInfo, together."""
_READ = (
    *(".aux", ".dim", ".eph", ".geo", ".hdr", ".imd", ".j2w", ".msk", ".ovr", ".pass", ".prj"),
    *(".pvl", ".rda", ".rdc", ".rpb", ".rpc", ".rrd", ".rsc", ".tab", ".til", ".txt", ".wld"),
    ".xml",
    *OF_TABLES,
)
"""Suffixes of what is read with rasters and tables."""


def beside(path: Path, suffixes: Sequence[str], world: Sequence[str] = ()) -> tuple[Path, ...]:
    """Return the files beside another one that GDAL takes for its companions.

    Where a folder has few files GDAL looks among them for a name in whatever case, else
    for the name itself.

    Args:
        path: The file.
        suffixes: Put after its name.
        world: Put in place of its suffix.
    """
    ways = [(path.name, suffix) for suffix in suffixes] + [(path.stem, suffix) for suffix in world]
    listing = _listed(path.parent)
    found = {name for stem, each in ways for name in listing.names.get(f"{stem}{each}".lower(), ())}
    if not listing.is_whole:
        exact = {f"{s}{form}" for s, each in ways for form in (each, each.lower(), each.upper())}
        found |= {name for name in exact if os.path.lexists(path.with_name(name))}
    return tuple(path.with_name(name) for name in sorted(found))


def check_regular(path: Path) -> None:
    """Refuse a file beside which a pipe or device has a name that GDAL may open: it would wait.

    Raises:
        ItemError: There is one.
    """
    kind = path.suffix
    world = (f"{kind[:2]}{kind[-1:]}w", f"{kind}w", ".wld", ".prj", ".hdr", ".rpb", ".imd", ".aux")
    listing = _listed(path.parent)
    found = list(beside(path, (".msk", ".ovr", ".aux.xml", ".aux", ".xml"), (*world, *OF_TABLES)))
    others = listing.odd if listing.is_whole else (*listing.odd, *_OF_SCENES)
    for each in (*found, *(path.with_name(name) for name in others)):
        if each != path and _waits(each):
            raise ItemError(f"{each.name} beside it is no regular file; remove it")


def check_folder(folder: Path) -> None:
    """Refuse a folder that is one data set, where a file of it is none or lies elsewhere.

    Raises:
        ItemError: One does, or is a pipe or device.
    """
    with os.scandir(folder) as entries:
        odd = [Path(e.path) for e in entries if e.is_symlink() or not (e.is_file() or e.is_dir())]
    for path in odd:
        if _waits(path) or not path.resolve().is_relative_to(folder.resolve()):
            raise ItemError(f"{path.name} in it is no file of its own; remove it")


class _Listing(NamedTuple):
    """What is in a folder."""

    names: Mapping[str, tuple[str, ...]] = {}
    """By their lower case."""
    odd: tuple[str, ...] = ()
    """Those of what is no file and may be read."""
    is_whole: bool = False
    """Whether that is all."""


def _listed(folder: Path) -> _Listing:
    try:
        changed = os.stat(folder).st_mtime_ns  # noqa: PTH116
        now = time.time_ns()
        is_young = now - changed < _SETTLED_NS
        return _listing(os.fspath(folder), changed, now // _TICK_NS if is_young else 0)
    except OSError:
        return _Listing()


@lru_cache(maxsize=8)
def _listing(folder: str, *_: int) -> _Listing:
    """List the first files of a folder, which was changed at some time."""
    names: dict[str, tuple[str, ...]] = {}
    odd, count = [], 0
    with os.scandir(folder) as entries:
        for entry in islice(entries, MOST_SIBLINGS + _DOTS):
            lower, count = entry.name.lower(), count + 1
            names[lower] = (*names.get(lower, ()), entry.name)
            if lower.endswith(_READ) and not entry.is_file():
                odd.append(entry.name)
    return _Listing(names, tuple(odd), count < MOST_SIBLINGS + _DOTS)


def _waits(path: Path) -> bool:
    """Return whether reading something may never end: it is no file, folder or socket."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISSOCK(mode))
