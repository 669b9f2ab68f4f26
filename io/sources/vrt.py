"""A VRT: as GDAL composes it, or each of its sources."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ...catalog.errors import ItemError, SourceError, UsageError
from ...catalog.records import Dataset, Item, Scan
from ..fingerprint import fingerprint
from ..members import Member, Members
from ..probe import probe
from ..reference import Where
from ..vrt_file import VrtReference, check_sources, is_vrt, sources
from .mosaics import kept, reader_of, restored, root_of, scan_members, title
from .options import ScanOptions

KIND = "vrt"
IS_WHOLE = False


def matches(path: Path) -> bool:
    """Return whether this is a VRT."""
    return path.suffix.lower() == ".vrt" and is_vrt(path)


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield the VRT, or its sources, as one dataset."""
    if options.layer is not None:
        raise SourceError(f"{path} is an image and has no layers; leave out --layer")
    if options.mode == "separate":
        yield from scan_members(KIND, _index, path, options)
        return
    if options.where or options.mosaic_order or options.skip_missing:
        raise UsageError(
            f"{path} says itself what it is made of, and in which order: --where is for"
            " --mode separate, --mosaic-order and --skip-missing are for other mosaics"
        )
    reference = VrtReference(path, allow_outside=options.allow_outside)
    item = Item(kind="mosaic", source_key="mosaic", name=path.name)
    yield Scan(
        dataset=Dataset(
            kind=KIND,
            uri=str(path),
            layer=title(options),
            options={"root": str(root_of(path)), **kept(options)},
            fingerprint=_fingerprint(path, options),
        ),
        items=(probe(each, reference, claimed=True) for each in [item]),
    )


@contextmanager
def reader(dataset: Dataset) -> Iterator[partial[Where]]:
    """Fetch the VRT, or the files that it is made of."""
    options = restored(dataset)
    reference = VrtReference(Path(dataset.uri), allow_outside=options.allow_outside)
    with reader_of(_index, dataset) as fetch:

        def fetch_any(item: Item) -> Where:
            return reference if item.kind == "mosaic" else fetch(item)

        yield partial(fetch_any)


def _fingerprint(path: Path, options: ScanOptions) -> str | None:
    """None where a source is missing or may not be read: that is looked at each time."""
    try:
        files = check_sources(path, allow_outside=options.allow_outside)
    except ItemError:
        return None
    return fingerprint([path, *files], KIND, options)


def _index(path: Path, options: ScanOptions) -> Members:
    root = path.parent
    try:
        files = sources(path)
    except ItemError as error:
        raise SourceError(f"{path}: {error}") from error
    return Members(listed=tuple(_member(file, root, options) for file in files))


def _member(file: Path, root: Path, options: ScanOptions) -> Member:
    key = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
    attributes = {"name": file.name, "path": key}
    if not options.allow_outside and not file.resolve().is_relative_to(root.resolve()):
        reason = "outside the folder of the VRT; --allow-outside lets it"
        return Member(key=key, path=None, lost=reason, attributes=attributes)
    if not file.is_file():
        return Member(key=key, path=None, lost="no such file", attributes=attributes)
    return Member(key=key, path=file, attributes=attributes)
