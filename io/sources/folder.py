"""A folder of images, sub-folders included; images are told by content, not by name."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...catalog.errors import SourceError
from ...catalog.lock import belongs_to_live
from ...catalog.records import Dataset, Item, ItemStatus, Scan
from ..content import file_at
from ..photo_lists import note_of_lists
from ..probe import probe_all
from ..scan_options import ScanOptions
from ..zipped_geodatabase import MASTER_TABLE, archive_kind, is_file_geodatabase

KIND = "folder"
IS_WHOLE = True

_SIDECARS = (".ovr", ".msk", ".aux.xml")
"""Companions of a raster that GDAL reads with it; the first two are TIFFs themselves."""


def matches(path: Path) -> bool:
    """Return whether the path is a folder."""
    return path.is_dir()


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield the folder as one dataset with an item per file.

    Photos that say where they were taken become points.
    Hidden files and folders and the class rasters of a catalog are left out; every other
    file becomes an item, whatever it holds.
    """
    if options.layer is not None:
        raise SourceError(f"{path} is a folder and has no layers; leave out --layer")
    if path.suffix.lower() == ".gdb":
        raise SourceError(
            f"{path}: named like a file geodatabase and is none ({MASTER_TABLE} is missing);"
            " copy it again, or give a folder of photos another name"
        )
    if not any(path.iterdir()):
        raise SourceError(f"{path} is empty")
    note = note_of_lists(path)
    dataset = Dataset(kind=KIND, uri=str(path), options={"note": note} if note else {})
    items = probe_all((image_of(path, name) for name in walk(path)), options.limits_of(KIND))
    yield Scan(dataset=dataset, items=items, points=True)


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], Path]]:
    """Fetch the paths of files."""

    def fetch(item: Item) -> Path:
        return file_at(Path(dataset.uri, item.source_key))

    yield fetch


def walk(root: Path) -> Iterator[str]:
    """Yield relative POSIX paths of files, and of folders that are skipped, in a fixed order."""
    closed: list[OSError] = []
    for folder, subfolders, files in os.walk(root, onerror=closed.append):
        here = Path(folder)
        inner = sorted(s for s in subfolders if not s.startswith("."))
        apart = [s for s in inner if _skip_folder(here / s)]
        subfolders[:] = [s for s in inner if s not in apart and not belongs_to_live(here / s)]
        for name in sorted([*apart, *(f for f in files if not f.startswith("."))]):
            if not belongs_to_live(here / name):
                yield (here / name).relative_to(root).as_posix()
    for error in closed:
        yield Path(error.filename).relative_to(root).as_posix()


def _skip_folder(path: Path) -> str | None:
    """Return what a sub-folder is that is not walked into, None for an ordinary one."""
    if is_file_geodatabase(path):
        return "a file geodatabase"
    if path.name.endswith("_rasters") and _catalog_of(path).is_file():
        return f"the class rasters of {_catalog_of(path).name}"
    return "a link to a folder" if path.is_symlink() else None


def _catalog_of(rasters: Path) -> Path:
    return rasters.with_name(f"{rasters.name.removesuffix('_rasters')}.gpkg")


def image_of(root: Path, name: str) -> tuple[Item, Path | None]:
    """Return what one relative path is that :func:`walk` yielded, and where an image would be."""
    path = root / name
    if not _is_utf8(name):
        return _unreadable(name, "its name is not UTF-8; rename it")
    if path.is_dir():
        what = _skip_folder(path)
        if what is None:
            return _unreadable(name, "this folder cannot be read")
        return _skipped(name, f"{what}; give it as an input of its own")
    if name.lower().endswith(_SIDECARS):
        return _skipped(name, "belongs to another raster")
    container = _container(path)
    if container:
        return _skipped(name, f"{container}; give it as an input of its own")
    if not path.is_file():
        return _unreadable(
            name, "link points nowhere" if not path.exists() else "not a regular file"
        )
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        return _unreadable(name, "a link that leads out of the folder; give what it leads to")
    return Item(kind="file", source_key=name, name=path.name), path


def _container(path: Path) -> str | None:
    """Return what a file is that holds feature classes, None for any other."""
    suffix = path.suffix.lower()
    if suffix == ".zip" and path.is_file():
        return archive_kind(path)
    return {".gpkg": "a GeoPackage", ".geodatabase": "a mobile geodatabase"}.get(suffix)


def _skipped(name: str, reason: str) -> tuple[Item, None]:
    return _useless(name, "skipped", reason)


def _unreadable(name: str, reason: str) -> tuple[Item, None]:
    return _useless(os.fsencode(name).decode("utf-8", "backslashreplace"), "unreadable", reason)


def _useless(key: str, status: ItemStatus, reason: str) -> tuple[Item, None]:
    name = key.rpartition("/")[2]
    return Item(kind="file", source_key=key, name=name, status=status, reason=reason), None


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
