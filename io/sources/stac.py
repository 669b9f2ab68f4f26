"""STAC items in a local file: an ItemCollection or one Item; an asset of each is a raster."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from ...catalog.errors import SourceError
from ...catalog.records import Scan
from ..member_paths import MemberFolders
from ..members import Members
from ..scan_options import ScanOptions
from ..stac_items import Document, items_in, members_in
from .mosaics import reader_of, scan_members

KIND = "stac"
IS_WHOLE = False

_HEAD_BYTES = 1 << 20


def matches(path: Path) -> bool:
    """Return whether this is JSON with STAC items."""
    if path.suffix.lower() not in (".json", ".geojson") or not path.is_file():
        return False
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b'"stac_version"' in head


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield the items as one dataset."""
    if options.layer is not None:
        raise SourceError(f"{path} has STAC items and no layers; --asset chooses what of them")
    return scan_members(KIND, _index, path, options)


reader = partial(reader_of, lambda path, options: _index(path, options))


def _index(path: Path, options: ScanOptions) -> Members:
    folders = MemberFolders(path.parent, options.media, allow_outside=options.allow_outside)

    def find(_: Document, href: object) -> tuple[str, Path | None, str | None]:
        key, file, lost = folders.find(href)
        if file is None and isinstance(href, str) and "%" in href:
            return folders.find(unquote(href))
        return key, file, lost

    items = items_in(_document(path), str(path))
    return Members(listed=tuple(members_in(items, options.asset, str(path), find)))


def _document(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        raise SourceError(f"{path}: not readable as JSON: {error}") from error
