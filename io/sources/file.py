"""One raster file or photo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...catalog.errors import ItemError, SourceError
from ...catalog.records import Dataset, Item, Scan
from ..image import read_head
from ..probe import IMAGE_SUFFIXES, probe
from ..zipped_geodatabase import archive_kind
from .options import ScanOptions

KIND = "file"
IS_WHOLE = True


def matches(path: Path) -> bool:
    """Return True: what no other kind wants is taken for an image."""
    return True


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield the file as a dataset of one item."""
    if options.layer is not None:
        raise SourceError(f"{path} is an image and has no layers; leave out --layer")
    item = probe(Item(kind="file", source_key=path.name, name=path.name), path, claimed=True)
    if item.byte_size and item.content_type is None and _is_archive(path):
        kind = archive_kind(path)
        what = "unpack it and give the folder" if kind == "a ZIP archive" else "get it again"
        raise SourceError(f"{path}: {kind}; {what}")
    yield Scan(dataset=Dataset(kind=KIND, uri=str(path)), items=[item])


def _is_archive(path: Path) -> bool:
    """Return whether a file is a ZIP archive that nobody calls an image."""
    named = path.suffix.lower() in IMAGE_SUFFIXES
    return not named and read_head(path).startswith(b"PK\x03\x04")


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], Path]]:
    """Fetch the path of the file."""

    def fetch(item: Item) -> Path:
        path = Path(dataset.uri)
        if not path.is_file():
            raise ItemError(f"{path} is gone")
        return path

    yield fetch
