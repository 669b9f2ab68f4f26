"""STAC items in a local file: an ItemCollection or one Item; an asset of each is a raster."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from affine import Affine

from ...catalog.errors import SourceError
from ...catalog.records import Scan
from .. import srs
from ..extent import Extent, bounds_of
from ..item_table import text_of
from ..member_paths import MemberFolders
from ..members import Member, Members
from .mosaics import reader_of, scan_members
from .options import ScanOptions

KIND = "stac"
IS_WHOLE = False

_HEAD_BYTES = 1 << 20
_TYPES = (
    "image/tiff",
    "image/vnd.stac.geotiff",
    "image/jp2",
    "application/x-hdf",
    "image/x.geotiff",
)
_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".img")
_PREVIEWS = {"thumbnail", "overview", "metadata"}


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
    items = _items(path)
    name = options.asset or _usual_asset(path, items)
    folders = MemberFolders(path.parent, options.media)
    try:
        return Members(listed=tuple(_member(item, name, folders) for item in items))
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error


def _items(path: Path) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        raise SourceError(f"{path}: not readable as JSON: {error}") from error
    kind = document.get("type") if isinstance(document, dict) else None
    found = document.get("features") if kind == "FeatureCollection" else [document]
    if kind not in ("FeatureCollection", "Feature") or not isinstance(found, list):
        raise SourceError(f"{path}: a STAC {kind or 'document'}; give an ItemCollection or an Item")
    items: list[Mapping[str, Any]] = [i for i in found if isinstance(i, dict) and _assets(i)]
    if not items:
        raise SourceError(f"{path}: no item with assets")
    return items


def _assets(item: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    assets = item.get("assets")
    found = assets if isinstance(assets, dict) else {}
    return {str(name): asset for name, asset in found.items() if isinstance(asset, dict)}


def _usual_asset(path: Path, items: Sequence[Mapping[str, Any]]) -> str:
    """Return the asset with the role ``data`` or, without any, the only raster.

    Raises:
        SourceError: There is none, or several.
    """
    data: Counter[str] = Counter()
    rasters: Counter[str] = Counter()
    for item in items:
        for name, asset in _assets(item).items():
            if _is_raster(asset):
                rasters[name] += 1
                data[name] += "data" in _roles(asset)
    chosen = [name for name, count in data.items() if count] or list(rasters)
    if len(chosen) == 1:
        return chosen[0]
    listing = ", ".join(rasters or dict.fromkeys(n for item in items for n in _assets(item)))
    raise SourceError(f"{path}: which asset of its items? --asset says it: {listing or 'none'}")


def _roles(asset: Mapping[str, Any]) -> set[str]:
    roles = asset.get("roles")
    return {str(role) for role in roles} if isinstance(roles, list) else set()


def _is_raster(asset: Mapping[str, Any]) -> bool:
    if _roles(asset) & _PREVIEWS:
        return False
    kind = str(asset.get("type") or "").lower()
    suffix = PurePosixPath(str(asset.get("href") or "").partition("?")[0]).suffix.lower()
    return kind.startswith(_TYPES) if kind else suffix in _SUFFIXES


def _member(item: Mapping[str, Any], name: str, folders: MemberFolders) -> Member:
    asset = _assets(item).get(name)
    properties = item.get("properties")
    said: dict[str, Any] = dict(properties) if isinstance(properties, dict) else {}
    attributes = {**said, "id": item.get("id"), "collection": item.get("collection")}
    if asset is None:
        listing = ", ".join(_assets(item))
        reason = f"has no asset {name}; it has {listing}"
        key = text_of(item.get("id"))
        return Member(key=key, path=None, lost=reason, attributes=attributes)
    href = asset.get("href")
    key, file, lost = folders.find(href)
    if file is None and isinstance(href, str) and "%" in href:
        key, file, lost = folders.find(unquote(href))
    try:
        outline = _outline(said, asset)
    except (ValueError, OverflowError) as error:
        raise SourceError(f"item {text_of(item.get('id'))}: {text_of(error)}") from error
    return Member(key=key, path=file, lost=lost, attributes=attributes, outline=outline)


def _outline(item: Mapping[str, Any], asset: Mapping[str, Any]) -> Extent | None:
    """Return where the projection extension says that a raster lies; None where it does not.

    Transform and shape of an item are those of another asset where this one has its own.

    Raises:
        ValueError: It says what cannot be.
        OverflowError: A number is too large for a place on the ground.
    """
    said = {**item, **asset}
    code, number = said.get("proj:code"), said.get("proj:epsg")
    crs = code or (f"EPSG:{number}" if type(number) is int else said.get("proj:wkt2"))
    own = asset if {"proj:transform", "proj:shape"} & asset.keys() else item
    place, shape = own.get("proj:transform"), own.get("proj:shape")
    try:
        transform = Affine(*map(float, place[:6]))  # type: ignore[index]
        sides = list(map(float, shape))  # type: ignore[arg-type]
        height, width = sides
    except (TypeError, ValueError):
        return None
    if not isinstance(crs, str):
        return None
    if not all(map(math.isfinite, (*transform[:6], *sides))) or not transform.determinant:
        raise ValueError(f"proj:transform {place} with proj:shape {shape} is no place"[:200])
    if srs.describe(crs) is None:
        raise ValueError(f"{crs[:80]} is no reference system")
    return Extent(bounds=bounds_of(transform, width, height), crs=crs)
