"""One raster file or photo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...catalog.errors import SourceError
from ...catalog.records import Dataset, Item, Scan
from ..content import file_at
from ..image import read_head
from ..probe import IMAGE_SUFFIXES, probe
from ..scan_options import ScanOptions
from ..sniff import describe
from ..table_formats import FORMATS, TEXT
from ..zipped_geodatabase import archive_kind, layer_in

KIND = "file"
IS_WHOLE = True

_DATASETS = frozenset([*FORMATS, *TEXT, ".gpkg", ".geodatabase"])
"""Names of files that hold layers or tables, never an image."""


def matches(path: Path) -> bool:
    """Return True: what no other kind wants is taken for an image."""
    return True


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield the file as a dataset of one item."""
    if options.layer is not None:
        raise SourceError(f"{path} is an image and has no layers; leave out --layer")
    item = probe(
        Item(kind="file", source_key=path.name, name=path.name),
        path,
        options.limits_of(),
        claimed=True,
    )
    if item.content_type is None:
        _refuse_data(path)
    yield Scan(dataset=Dataset(kind=KIND, uri=str(path)), items=[item])


def _refuse_data(path: Path) -> None:
    """Refuse what nobody calls an image: an archive, or what is named like features and is none.

    Raises:
        SourceError: It is such a file.
    """
    head = read_head(path)
    suffix = path.suffix.lower()
    if suffix in _DATASETS:
        what = describe(head)
        raise SourceError(f"{path}: damaged, or not what its name says: it is {what}")
    if suffix not in IMAGE_SUFFIXES and head.startswith(b"PK\x03\x04"):
        kind = archive_kind(path)
        if kind != "a ZIP archive":
            raise SourceError(f"{path}: {kind}; get it again")
        raise SourceError(f"{path}: {kind}; unpack it and give {layer_in(path) or 'the folder'}")


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], Path]]:
    """Fetch the path of the file."""

    def fetch(item: Item) -> Path:
        return file_at(Path(dataset.uri))

    yield fetch
