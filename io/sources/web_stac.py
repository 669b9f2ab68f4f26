"""STAC items in the web: a file of items, or what a search gives, page by page."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from affine import Affine

from ...catalog.errors import ItemError, NotAskedError, SourceError, UsageError
from ...catalog.records import Dataset, Item, Scan
from ..grid import Grid
from ..members import Members
from ..mosaic_reference import MosaicReference
from ..reference import Reference
from ..scan_options import ScanOptions
from ..service_grid import extent_in, inside
from ..service_scan import asking, pixels_in_words
from ..sniff import HEAD_BYTES
from ..stac_items import Document, items_in, members_in
from ..web import ask, ask_json, check_host
from .mosaics import asked_of, items_of, kept, restored, title
from .web_assets import asset_at, joined
from .web_raster import WebRaster

KIND = "web_stac"

_MOST_ITEMS, _MOST_PAGES = 10_000, 1_000


def matches(_: str) -> bool:
    """Return False: how an address is written does not tell; see :func:`answers`."""
    return False


def answers(text: str) -> bool:
    """Return whether an address answers with a JSON document, as no raster does.

    Raises:
        SourceError: It does not answer.
    """
    with asking(text):
        return ask(text, first=HEAD_BYTES).data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def scan(text: str, options: ScanOptions) -> Iterator[Scan]:
    """Yield the items as one dataset."""
    if options.layer is not None:
        raise SourceError(f"{text} has STAC items and no layers; --asset chooses what of them")
    with asking(text):
        found = asked_of(_index(text, options), text, options)
        mosaic = MosaicReference(found, skip_missing=options.skip_missing)
        if options.mode != "separate":
            _check_pixels(text, mosaic, options)
    name = PurePosixPath(urlsplit(text).path).name or "items"
    items: Iterable[Item] = items_of(name, found, mosaic, options)
    if options.mode == "separate":
        items = list(_within_budget(text, items, options))
    yield Scan(
        dataset=Dataset(kind=KIND, uri=text, layer=title(options), options=kept(options)),
        items=items,
    )


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], Reference]]:
    """Fetch the members, or the mosaic; the items are asked for again for the latter."""

    def fetch(item: Item) -> Reference:
        if item.kind != "mosaic":
            return WebRaster(item.source_key, dataset.uri)
        options = restored(dataset)
        try:
            found = asked_of(_index(dataset.uri, options), dataset.uri, options)
        except (SourceError, UsageError) as error:
            raise ItemError(str(error)) from error
        return MosaicReference(found, skip_missing=options.skip_missing)

    yield fetch


def _index(text: str, options: ScanOptions) -> Members:
    """Return the rasters of all items.

    Raises:
        ItemError: A page cannot be had.
        SourceError: These are no items, or it is not clear which asset of them.
    """
    pages: dict[int, str] = {}
    items: list[Document] = []
    for address, document in _pages(text):
        found = items_in(document, text)
        pages.update({id(item): address for item in found})
        items += found
        if len(items) > _MOST_ITEMS:
            raise ItemError(_too_many())

    def find(item: Document, href: object) -> tuple[str, Reference | None, str | None]:
        return _find(text, pages[id(item)], item, href)

    return Members(listed=tuple(members_in(items, options.asset, text, find)))


def _pages(text: str) -> Iterator[tuple[str, Document]]:
    """Yield each page with its address.

    Raises:
        ItemError: One cannot be had, or they have no end.
    """
    seen: set[str] = set()
    address: str | None = text
    while address is not None:
        if address in seen:
            raise ItemError("names a page as the next one that came before")
        if len(seen) == _MOST_PAGES:
            raise ItemError(_too_many())
        seen.add(address)
        check_host(text, address)
        document = ask_json(address)
        if not {"type", "stac_version"} & document.keys():
            raise ItemError("answered with JSON that has no STAC items")
        yield address, document
        address = _next(address, document)


def _next(address: str, document: Document) -> str | None:
    link = _link(document, "next")
    if link is None:
        return None
    if str(link.get("method") or "GET").upper() != "GET":
        raise ItemError(
            "gives its next page for POST only; ask for larger pages (limit=), or keep the items"
            " in a file"
        )
    return joined(address, str(link.get("href")))


def _link(document: Document, rel: str) -> Document | None:
    links: Any = document.get("links")
    each = links if isinstance(links, list) else []
    return next((link for link in each if isinstance(link, dict) and link.get("rel") == rel), None)


def _find(
    given: str, page: str, item: Document, href: object
) -> tuple[str, Reference | None, str | None]:
    """Return the address of an asset without secrets, how to get at it, and why not."""
    if not isinstance(href, str) or not href.strip():
        return str(item.get("id")), None, "the item gives no address of it"
    name, own = str(item.get("id")), _link(item, "self")
    try:
        base = joined(page, str(own["href"])) if own and "href" in own else page
    except ItemError as error:
        return name, None, str(error)
    return asset_at(name, href, base, given)


def _check_pixels(text: str, mosaic: MosaicReference, options: ScanOptions) -> None:
    """Refuse a mosaic that nobody may have meant.

    Raises:
        UsageError: It is too large; says by how much.
        NotAskedError: Nothing of it lies in the extent.
    """
    try:
        grid = mosaic.grid
    except ItemError:
        return  # what is wrong is said of the item
    pixels = _asked_for(grid, options, text)
    if pixels > options.max_pixels:
        raise _too_large(f"{text}: a mosaic of {pixels_in_words(pixels)}", options)


def _within_budget(text: str, items: Iterable[Item], options: ScanOptions) -> Iterator[Item]:
    """Yield items as long as they have no more pixels together than the user allows.

    Raises:
        UsageError: They have more.
    """
    pixels = 0
    for item in items:
        pixels += _pixels_of(item, options, text)
        if pixels > options.max_pixels:
            raise _too_large(f"{text}: items of {pixels_in_words(pixels)} and more", options)
        yield item


def _pixels_of(item: Item, options: ScanOptions, text: str) -> int:
    """Return how many pixels of an item are asked for."""
    if item.status != "ready" or item.width is None or item.height is None:
        return 0
    if item.transform is None or item.srs is None:
        return item.width * item.height
    place, crs = Affine(*item.transform), item.srs.definition
    grid = Grid(transform=place, width=item.width, height=item.height, crs=crs)
    try:
        return _asked_for(grid, options, text)
    except NotAskedError:
        return 0


def _asked_for(grid: Grid, options: ScanOptions, text: str) -> int:
    part = inside(grid, extent_in(options, grid.crs, text) if grid.crs else None)
    return part.width * part.height


def _too_large(what: str, options: ScanOptions) -> UsageError:
    return UsageError(
        f"{what}, more than --max-pixels {options.max_pixels}; give a smaller --extent, search for"
        " less, or give a larger --max-pixels"
    )


def _too_many() -> str:
    return (
        f"has more than {_MOST_ITEMS:,} items or {_MOST_PAGES:,} pages; narrow the search"
        " (bbox=, datetime=, collections=), or ask for larger pages (limit=)"
    )
