"""Input kinds. Each is one module that finds the items of an input and fetches their bytes.

A new kind is one module with the functions of :class:`Source` and one line in ``SOURCES``.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ...catalog.errors import SourceError
from ...catalog.lock import assert_not_live
from ...catalog.records import Dataset, Item, Scan
from . import file, filegdb, folder, form_export, geopackage
from .options import ScanOptions

Fetch = Callable[[Item], Path | bytes]
"""Item → where its image is: a path, or the encoded image itself."""


class Source(Protocol):
    """What a module of this package provides."""

    KIND: str

    def matches(self, path: Path) -> bool:
        """Return whether this existing path is an input of this kind, told by content."""
        ...

    def scan(self, path: Path, options: ScanOptions) -> Iterator[Scan]:
        """Yield one scan per dataset in the input; features and items in it are read later.

        Args:
            path: The input.
            options: What the user says about it.

        Raises:
            SourceError: Unreadable, or nothing to classify in it.
        """
        ...

    def reader(self, dataset: Dataset) -> AbstractContextManager[Fetch]:
        """Open a dataset to fetch its items; a fetch raises ItemError where one is gone."""
        ...


_MODULES: tuple[Source, ...] = (filegdb, geopackage, form_export, folder, file)
SOURCES: dict[str, Source] = {module.KIND: module for module in _MODULES}
"""In the order in which they are asked whether an input is theirs."""


def scan(
    path: Path, layer: str | None = None, options: ScanOptions | None = None
) -> Iterator[Scan]:
    """Find out what an input is and yield its datasets.

    Args:
        path: The input.
        layer: Only this feature class; goes over the options.
        options: What the user says about the input.

    Raises:
        SourceError: No such file, not readable, or nothing to classify in it.
    """
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    path = path.resolve()
    assert_not_live(path)
    source = next(source for source in SOURCES.values() if source.matches(path))
    options = options or ScanOptions()
    yield from source.scan(path, replace(options, layer=layer) if layer else options)


def reader(dataset: Dataset) -> AbstractContextManager[Fetch]:
    """Open a dataset of the catalog to fetch the images of its items."""
    return SOURCES[dataset.kind].reader(dataset)
