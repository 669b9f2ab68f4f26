"""A VRT, a file or the text of one: as GDAL composes it, or each of its sources."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...catalog.errors import ItemError, SourceError, UsageError
from ...catalog.records import Dataset, Item, Scan
from ..fingerprint import fingerprint
from ..members import Member, Members
from ..probe import probe
from ..reference import Where
from ..scan_options import ScanOptions
from ..vrt_file import VrtReference, check_sources, is_vrt, sources, with_whole_paths
from .mosaics import kept, reader_of, restored, root_of, scan_members, title

KIND = "vrt"
IS_WHOLE = False


def matches(path: Path) -> bool:
    """Return whether this is a VRT."""
    return path.suffix.lower() == ".vrt" and is_vrt(path)


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield the VRT, or its sources, as one dataset."""
    yield from _scan(path, options, None)


def scan_text(text: str, options: ScanOptions) -> Iterator[Scan]:
    """Yield the same of a VRT that is no file, and lies as it were in the current folder."""
    if options.source_kind not in (None, KIND):
        raise UsageError(f"--source-kind {options.source_kind}: the input is the text of a VRT")
    folder = Path.cwd()
    try:
        whole = with_whole_paths(text, folder)
    except ItemError as error:
        raise SourceError(f"the text of a VRT: {error}") from error
    path = folder / f"inline-{hashlib.sha256(whole.encode()).hexdigest()[:8]}.vrt"
    for found in _scan(path, options, whole):
        told = {**found.dataset.options, "text": whole}
        yield replace(found, dataset=replace(found.dataset, uri=f"vrt:{path}", options=told))


def _scan(path: Path, options: ScanOptions, text: str | None) -> Iterator[Scan]:
    if options.layer is not None:
        raise SourceError(f"{path} is an image and has no layers; leave out --layer")
    if options.mode == "separate":
        yield from scan_members(KIND, partial(_index, text=text), path, options)
        return
    if options.where or options.mosaic_order or options.skip_missing:
        raise UsageError(
            f"{path} says itself what it is made of, and in which order: --where is for"
            " --mode separate, --mosaic-order and --skip-missing are for other mosaics"
        )
    reference = VrtReference(path, allow_outside=options.allow_outside, text=text)
    item = Item(kind="mosaic", source_key="mosaic", name=path.name)
    yield Scan(
        dataset=Dataset(
            kind=KIND,
            uri=str(path),
            layer=title(options),
            options={"root": str(root_of(path)), **kept(options)},
            fingerprint=_fingerprint(path, options, text),
        ),
        items=(probe(each, reference, claimed=True) for each in [item]),
    )


@contextmanager
def reader(dataset: Dataset) -> Iterator[partial[Where]]:
    """Fetch the VRT, or the files that it is made of."""
    options = restored(dataset)
    path, text = Path(dataset.uri.removeprefix("vrt:")), dataset.options.get("text")
    reference = VrtReference(path, allow_outside=options.allow_outside, text=text)
    with reader_of(_index, dataset) as fetch:

        def fetch_any(item: Item) -> Where:
            return reference if item.kind == "mosaic" else fetch(item)

        yield partial(fetch_any)


def _fingerprint(path: Path, options: ScanOptions, text: str | None) -> str | None:
    """None where a source is missing or may not be read: that is looked at each time."""
    try:
        files = check_sources(path, allow_outside=options.allow_outside, text=text)
    except ItemError:
        return None
    return fingerprint([path, *files], KIND, options)


def _index(path: Path, options: ScanOptions, text: str | None = None) -> Members:
    root = path.parent
    try:
        files = sources(path, text)
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
