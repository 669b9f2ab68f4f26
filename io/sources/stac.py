"""STAC items in a local file: an ItemCollection or one Item; an asset of each is a raster."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from ...catalog.errors import SourceError
from ...catalog.records import Dataset, Item, Scan
from ..addresses import is_address
from ..member_paths import MemberFolders
from ..members import Members
from ..reference import Reference, Where
from ..scan_options import ScanOptions
from ..stac_items import Document, items_in, members_in
from .mosaics import reader_of, scan_members
from .web_assets import asset_at
from .web_raster import WebRaster

KIND = "stac"
IS_WHOLE = False

_HEAD_BYTES = 1 << 20
_NOBODY = ""
"""Whom credentials are for: a file names hosts, the user does not."""


def matches(path: Path) -> bool:
    """Return whether this is JSON with STAC items, or a collection of nothing else."""
    if path.suffix.lower() not in (".json", ".geojson") or not path.is_file():
        return False
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    return b'"stac_version"' in head or (len(head) < _HEAD_BYTES and _has_no_other(head))


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield the items as one dataset."""
    if options.layer is not None:
        raise SourceError(f"{path} has STAC items and no layers; --asset chooses what of them")
    return scan_members(KIND, _index, path, options)


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], Where]]:
    """Fetch the files of members, those in the web too, or the mosaic."""
    with reader_of(_index, dataset) as fetch:

        def fetch_any(item: Item) -> Where:
            if item.kind != "mosaic" and is_address(item.source_key):
                return WebRaster(item.source_key, _NOBODY)
            return fetch(item)

        yield fetch_any


def _index(path: Path, options: ScanOptions) -> Members:
    folders = MemberFolders(path.parent, options.media, allow_outside=options.allow_outside)

    def find(item: Document, href: object) -> tuple[str, Path | Reference | None, str | None]:
        if isinstance(href, str) and is_address(href.strip()):
            if options.allow_outside:
                return asset_at(str(item.get("id")), href, "", _NOBODY)
            key, _, _ = folders.find(href)
            return key, None, "a link; links are not downloaded without --allow-outside"
        key, file, lost = folders.find(href)
        if file is None and isinstance(href, str) and "%" in href:
            return folders.find(unquote(href))
        return key, file, lost

    items = items_in(_document(path), str(path))
    return Members(listed=tuple(members_in(items, options.asset, str(path), find)))


def _has_no_other(text: bytes) -> bool:
    """Return whether a collection has no feature that may be one of a layer."""
    try:
        said = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(said, dict) or said.get("type") != "FeatureCollection":
        return False
    found = said.get("features")
    each = found if isinstance(found, list) else []
    return not any(isinstance(item, dict) and "assets" not in item for item in each)


def _document(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        raise SourceError(f"{path}: not readable as JSON: {error}") from error
