"""A folder of georeferenced rasters as one mosaic: ``--mode mosaic`` of a folder."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ...catalog.errors import ItemError, SourceError
from ...catalog.records import Item, Scan
from ..image import read_head
from ..members import Member, Members
from ..mosaic_plan import with_header
from ..probe import claims_to_be_image
from ..scan_options import ScanOptions
from ..sniff import content_type
from .folder import image_of, walk
from .mosaics import reader_of, scan_members

KIND = "folder_mosaic"
IS_WHOLE = True


def matches(path: Path) -> bool:
    """Return False: a folder is read image by image unless the user says otherwise."""
    return False


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield the folder as one dataset."""
    if options.layer is not None:
        raise SourceError(f"{path} is a folder and has no layers; leave out --layer")
    return scan_members(KIND, _index, path, options)


reader = partial(reader_of, lambda path, options: _index(path, options))


def _index(path: Path, options: ScanOptions) -> Members:
    if not path.is_dir():
        raise SourceError(f"{path} is no folder")
    unplaced: list[str] = []
    listed = tuple(_members(path, unplaced))
    if not listed:
        raise SourceError(f"{path}: no rasters with a place on the ground")
    if not unplaced:
        return Members(listed=listed)
    count = f"{len(unplaced)} images" if len(unplaced) > 1 else "1 image"
    remark = f"{count} without a place on the ground left out ({unplaced[0]})"
    return Members(listed=listed, remark=remark)


def _members(root: Path, unplaced: list[str]) -> Iterator[Member]:
    """Yield the rasters, and images that cannot be read, with the reason."""
    for name in walk(root):
        item, path = image_of(root, name)
        if item.status == "unreadable":
            yield _lost(item, item.reason)
        if item.status != "ready" or path is None or not _is_image(item, path):
            continue
        attributes = {"name": item.name, "path": name}
        try:
            yield with_header(Member(key=name, path=path, attributes=attributes))
        except ItemError as error:
            if str(error).endswith("has no place on the ground"):
                unplaced.append(name)
            else:
                yield _lost(item, str(error))


def _is_image(item: Item, path: Path) -> bool:
    """Return whether a file is an image or is called one; others are no part of a folder."""
    try:
        return claims_to_be_image(item) or content_type(read_head(path)) is not None
    except ItemError:
        return True


def _lost(item: Item, reason: str | None) -> Member:
    attributes = {"name": item.name, "path": item.source_key}
    return Member(key=item.source_key, path=None, lost=reason, attributes=attributes)
