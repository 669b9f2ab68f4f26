"""Whether what was scanned is still there, as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..catalog import integrity
from ..catalog.errors import ItemError, PixelcatError
from ..catalog.query import read_only
from ..catalog.records import MOSAIC_KINDS, Dataset, Item
from ..io.sources import SERVICES, reader
from . import stored

_FILES = ("file", "folder")
"""Kinds whose images are files: told by a look at the folder."""


class _Lost(NamedTuple):
    name: str
    problem: str
    item_ids: tuple[int, ...] = ()
    """Images that cannot be classified again."""


def lost_sources(catalog: Path, *, deep: bool) -> tuple[list[tuple[str, str]], set[int]]:
    """Return the inputs and images that are gone or changed, and the items that are gone.

    Args:
        catalog: The catalog.
        deep: Read every file and attachment and compare it with its hash.

    Returns:
        Names, each with what is wrong; numbers of items that cannot be classified again.
    """
    found: list[_Lost] = []
    for number, dataset in stored.datasets(catalog).items():
        if dataset.kind in SERVICES or not dataset.uri.startswith("/"):
            continue
        with read_only(catalog) as connection:
            images = integrity.images(connection, number)
        found += _of_dataset(dataset, images, deep)
    rows = list(dict.fromkeys((each.name, each.problem) for each in found))
    return rows, {item_id for each in found for item_id in each.item_ids}


def _of_dataset(dataset: Dataset, images: list[integrity.ImageRow], deep: bool) -> Iterator[_Lost]:
    if not Path(dataset.uri).exists():
        ids = tuple(each.item_id for each in images)
        yield _Lost(dataset.uri, "is gone: its images cannot be classified again", ids)
    elif deep and dataset.kind not in MOSAIC_KINDS:
        yield from _read(dataset, images)
    elif dataset.kind in _FILES:
        yield from _looked_at(dataset, images)


def _looked_at(dataset: Dataset, images: list[integrity.ImageRow]) -> Iterator[_Lost]:
    """Yield files that are gone or have another size."""
    for each in images:
        folder = Path(dataset.uri)
        path = folder / each.source_key if dataset.kind == "folder" else folder
        try:
            size = path.stat().st_size
        except OSError:
            yield _Lost(str(path), "is gone: it cannot be classified again", (each.item_id,))
            continue
        if size != each.byte_size:
            yield _Lost(str(path), "has changed since it was scanned: the next run takes it anew")


def _read(dataset: Dataset, images: list[integrity.ImageRow]) -> Iterator[_Lost]:
    """Yield images that are gone or whose bytes are others now."""
    try:
        with reader(dataset) as fetch:
            for each in images:
                item = Item(
                    kind="attachment" if each.kind == "attachment" else "file",
                    source_key=each.source_key,
                    name=each.name,
                    sha256=each.sha256,
                )
                name = f"{dataset.uri}: {dataset.layer or ''} {each.source_key}"
                try:
                    stored.fetched(fetch, item)
                except ItemError as error:
                    yield _Lost(" ".join(name.split(" ")), str(error))
    except PixelcatError as error:
        yield _Lost(dataset.uri, f"cannot be read: {error}")
