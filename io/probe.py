"""Describing one image for the catalog: hash, size, type, place, and whether it is usable."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePath

from ..catalog.errors import ItemError, UnsupportedError
from ..catalog.records import Item
from . import srs, watch
from .container import check_container
from .content import measured
from .image import Image, open_image, read_head
from .limits import Limits
from .reference import Where
from .sniff import content_type, describe

IMAGE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".png",
        ".tif",
        ".tiff",
        ".gif",
        ".bmp",
        ".webp",
        ".jp2",
        ".j2k",
        ".img",
        ".heic",
        ".heif",
        ".avif",
    ]
)
"""Endings by which a name claims to be an image, in lower case."""

_AHEAD = 2
"""Images whose hashes are under way; a queue of one leaves the thread idle now and then."""


def probe(
    item: Item,
    where: Where | None,
    limits: Limits | None = None,
    *,
    claimed: bool = False,
    content: Callable[[], tuple[int | None, str]] | None = None,
) -> Item:
    """Return the item with everything that its header tells.

    Never raises for the image's sake: an image that cannot be used gets a status and a
    reason. Pixels are not decoded, so an image that is whole by its parts may still turn out
    damaged later.

    Args:
        item: Kind, key, name and declared type.
        where: A path, the encoded image, a reference, or None where there is none.
        limits: What of a file or attachment is taken; None for the usual.
        claimed: Somebody says that this is an image; otherwise its name or declared type
            decides whether anything else is ``unreadable`` or merely ``skipped``.
        content: What gives size and SHA-256 where somebody is at it already.
    """
    if item.status != "ready":
        return item
    if where is None:
        return replace(item, status="missing", reason="has no data (NULL)")
    if watch.is_known():
        return item
    claimed = claimed or claims_to_be_image(item)
    try:
        with watch.reading(_name(item)):
            size, sha256 = content() if content else measured(where)
            item = replace(item, byte_size=size, sha256=sha256)
            if isinstance(where, Path | bytes):
                item = _told_apart(item, where, claimed)
                cut_off = limits is not None and limits.cut_off
                check_container(where, item.content_type, cut_off=cut_off)
            if item.status != "ready":
                return item
            with open_image(where, limits) as image:
                return _with_header(item, image)
    except UnsupportedError as error:
        return replace(item, status="unsupported", reason=str(error))
    except ItemError as error:
        return replace(item, status="unreadable", reason=_reason(item, where, error))


def probe_all(
    images: Iterable[tuple[Item, Where | None]], limits: Limits | None = None
) -> Iterator[Item]:
    """Yield :func:`probe` of each image in turn.

    A thread hashes what comes next while an image is probed and recorded: hashing takes
    most of the time of a scan. No more than three attachments are in memory.
    """
    waiting: deque[tuple[Item, Where | None, Future[tuple[int | None, str]] | None]] = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        for item, where in images:
            is_read = item.status == "ready" and watch.is_wanted(_name(item), len(waiting))
            content = thread.submit(measured, where) if where and is_read else None
            waiting.append((item, where, content))
            if len(waiting) > _AHEAD:
                yield _probed(limits, *waiting.popleft())
        while waiting:
            yield _probed(limits, *waiting.popleft())


def _probed(
    limits: Limits | None,
    item: Item,
    where: Where | None,
    content: Future[tuple[int | None, str]] | None,
) -> Item:
    return probe(item, where, limits, content=content.result if content else None)


def _name(item: Item) -> str:
    """Return what tells an image from others of its input."""
    return f"{item.source_key} {item.name}"


def claims_to_be_image(item: Item) -> bool:
    """Return whether an item is called an image, by its declared type or its name."""
    declared = (item.declared_type or "").lower()
    if declared:
        return declared.startswith("image/")
    return PurePath(item.name).suffix.lower() in IMAGE_SUFFIXES


def _reason(item: Item, where: Where, error: ItemError) -> str:
    """Prefer what the bytes look like over what a decoder says about them."""
    if not isinstance(where, Path | bytes):
        return str(error)
    if not item.byte_size or item.content_type is not None:
        return str(error)
    looks_like = describe(read_head(where))
    is_said = looks_like == "unknown data" or not str(error).startswith("not an image")
    return str(error) if is_said else f"not an image but {looks_like}"


def _told_apart(item: Item, where: Path | bytes, claimed: bool) -> Item:
    """Say what a file or attachment is, and skip what is no image and does not claim to be.

    Raises:
        ItemError: It is empty.
    """
    head = read_head(where)
    item = replace(item, content_type=content_type(head))
    if not item.byte_size:
        raise ItemError("is empty (0 bytes)")
    if item.content_type is None and not claimed:
        return replace(item, status="skipped", reason=f"not an image but {describe(head)}")
    return item


def _with_header(item: Item, image: Image) -> Item:
    system = srs.describe(image.crs) if image.crs else None
    outline = (
        srs.footprint(image.width, image.height, image.transform, system)
        if image.transform and system
        else None
    )
    lon, lat = image.position or (None, None)
    return replace(
        item,
        width=image.width,
        height=image.height,
        bands=image.bands,
        dtype=image.dtype,
        orientation=image.orientation,
        taken_at=image.taken_at,
        lon=lon,
        lat=lat,
        direction=image.direction,
        srs=system,
        transform=tuple(image.transform)[:6] if image.transform else None,
        footprint=outline,
    )
