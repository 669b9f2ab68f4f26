"""What STAC items say: which asset of each is the raster, where it lies, what is known of it."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from affine import Affine

from ..catalog.errors import SourceError
from . import srs
from .extent import Extent, bounds_of
from .item_table import text_of
from .members import Member
from .reference import Reference

Document = Mapping[str, Any]
Find = Callable[[Document, object], tuple[str, Path | Reference | None, str | None]]
"""From an item and the address of an asset to its key, where it is, and why it is nowhere."""

_TYPES = (
    "image/tiff",
    "image/vnd.stac.geotiff",
    "image/jp2",
    "application/x-hdf",
    "image/x.geotiff",
)
_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".img")
_PREVIEWS = {"thumbnail", "overview", "metadata"}


def items_in(document: object, name: str) -> list[Document]:
    """Return the items of an ItemCollection, or the one that a document is.

    Raises:
        SourceError: It is another document; says so of the name.
    """
    kind = document.get("type") if isinstance(document, dict) else None
    found = document.get("features") if kind == "FeatureCollection" else [document]  # type: ignore[attr-defined]
    if kind not in ("FeatureCollection", "Feature") or not isinstance(found, list):
        raise SourceError(f"{name}: a STAC {kind or 'document'}; give an ItemCollection or an Item")
    return [item if isinstance(item, dict) else {} for item in found]


def members_in(items: Sequence[Document], asset: str | None, name: str, find: Find) -> list[Member]:
    """Return a raster of each item.

    Args:
        items: The items.
        asset: Which one; None for the usual one.
        name: What lists them, for messages.
        find: Says where it is.

    Raises:
        SourceError: None has assets, or it is not clear which asset.
    """
    if not any(map(_assets, items)):
        raise SourceError(f"{name}: no item with assets")
    wanted = asset or _usual_asset(name, items)
    try:
        return [_member(number, item, wanted, find) for number, item in enumerate(items, 1)]
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from error


def _assets(item: Document) -> Mapping[str, Document]:
    assets = item.get("assets")
    found = assets if isinstance(assets, dict) else {}
    return {str(name): asset for name, asset in found.items() if isinstance(asset, dict)}


def _usual_asset(name: str, items: Sequence[Document]) -> str:
    """Return the asset with the role ``data`` or, without any, the only raster.

    Raises:
        SourceError: There is none, or several.
    """
    data: Counter[str] = Counter()
    rasters: Counter[str] = Counter()
    for item in items:
        for key, asset in _assets(item).items():
            if _is_raster(asset):
                rasters[key] += 1
                data[key] += "data" in _roles(asset)
    chosen = [name for name, count in data.items() if count] or list(rasters)
    if len(chosen) == 1:
        return chosen[0]
    listing = ", ".join(rasters or dict.fromkeys(n for item in items for n in _assets(item)))
    raise SourceError(f"{name}: which asset of its items? --asset says it: {listing or 'none'}")


def _roles(asset: Document) -> set[str]:
    roles = asset.get("roles")
    return {str(role) for role in roles} if isinstance(roles, list) else set()


def _is_raster(asset: Document) -> bool:
    if _roles(asset) & _PREVIEWS:
        return False
    kind = str(asset.get("type") or "").lower()
    suffix = PurePosixPath(str(asset.get("href") or "").partition("?")[0]).suffix.lower()
    return kind.startswith(_TYPES) if kind else suffix in _SUFFIXES


def _member(number: int, item: Document, name: str, find: Find) -> Member:
    asset = _assets(item).get(name)
    properties = item.get("properties")
    said: dict[str, Any] = dict(properties) if isinstance(properties, dict) else {}
    attributes = {**said, "id": item.get("id"), "collection": item.get("collection")}
    if asset is None:
        reason = f"has no asset {name}; it has {', '.join(_assets(item)) or 'none'}"
        key = text_of(item["id"]) if "id" in item else f"item {number}"
        return Member(key=key, path=None, lost=reason, attributes=attributes)
    key, where, lost = find(item, asset.get("href"))
    try:
        outline = _outline(said, asset)
    except (ValueError, OverflowError) as error:
        raise SourceError(f"item {text_of(item.get('id'))}: {text_of(error)}") from error
    return Member(
        key=key,
        path=where if isinstance(where, Path) else None,
        reference=None if isinstance(where, Path) else where,
        lost=lost,
        attributes=attributes,
        outline=outline,
    )


def _outline(item: Document, asset: Document) -> Extent | None:
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
