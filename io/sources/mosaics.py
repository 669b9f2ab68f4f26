"""What all kinds of mosaics share: one item for all of it, or one for each member."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ...catalog.errors import ItemError, SourceError, UsageError
from ...catalog.records import Dataset, Item, Scan
from ..content import file_at
from ..fingerprint import fingerprint
from ..members import Member, Members
from ..mosaic_reference import MosaicReference
from ..probe import probe, probe_all
from ..reference import Where
from ..scan_options import ScanOptions

Index = Callable[[Path, ScanOptions], Members]
"""From an input to all of its members."""

_TEXTS = ("layer", "where", "asset", "paths", "mosaic_order")
_FLAGS = ("skip_missing", "allow_outside")


def scan_members(kind: str, index: Index, path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield one dataset: of the mosaic, or of its members where ``--mode separate`` asks for it.

    Args:
        kind: Of the input.
        index: Reads it.
        path: The input.
        options: What the user says.

    Raises:
        SourceError: The index cannot be read, or lists nothing.
        UsageError: The options do not fit its columns.
    """
    found = members_of(index, path, options)
    mosaic = MosaicReference(found, skip_missing=options.skip_missing)
    root = root_of(path)
    files = [member.path for member in found.listed if member.path is not None]
    is_local = all(member.reference is None for member in found.listed)
    table = [Path(options.paths.partition("|")[0])] if options.paths else []
    yield Scan(
        dataset=Dataset(
            kind=kind,
            uri=str(path),
            layer=title(options),
            options={"root": str(root), **kept(options)},
            fingerprint=fingerprint([path, *table, *dict.fromkeys(files)], kind, options)
            if is_local
            else None,
        ),
        items=items_of(path.name, found, mosaic, options),
    )


def members_of(index: Index, path: Path, options: ScanOptions) -> Members:
    """Return the members of an input that are asked for, in the order that is."""
    return asked_of(index(path, options), str(path), options)


def asked_of(found: Members, name: str, options: ScanOptions) -> Members:
    """Return those of all members that are asked for, in the order that is."""
    if not found.listed:
        raise SourceError(f"{name}: lists no rasters")
    usual = "first" if options.mode == "separate" else None  # members are listed as they come
    return found.chosen(options.where, options.mosaic_order or usual)


def title(options: ScanOptions) -> str:
    """Return what tells the datasets of one input apart: layer, mode and selection."""
    said = [options.layer, options.mode or "mosaic"]
    said.append(options.asset and f"asset {options.asset}")
    said.append(options.where and f"where {options.where}")
    return ", ".join(filter(None, said))


def root_of(path: Path) -> Path:
    """Return the folder that the keys of members count from."""
    return path if path.is_dir() and path.suffix.lower() != ".gdb" else path.parent


def kept(options: ScanOptions) -> Mapping[str, str]:
    """Return what the catalog keeps of the options, so that images are found again."""
    texts = {name: getattr(options, name) for name in _TEXTS}
    flags = {name: "yes" for name in _FLAGS if getattr(options, name)}
    media = {"media": str(options.media.resolve())} if options.media else {}
    return {name: text for name, text in texts.items() if text} | flags | media


def restored(dataset: Dataset) -> ScanOptions:
    """Return the options as :func:`kept` has them."""
    said = dataset.options
    return ScanOptions(
        layer=said.get("layer"),
        where=said.get("where"),
        asset=said.get("asset"),
        paths=said.get("paths"),
        mosaic_order=said.get("mosaic_order"),
        media=Path(said["media"]) if "media" in said else None,
        skip_missing="skip_missing" in said,
        allow_outside="allow_outside" in said,
    )


@contextmanager
def reader_of(index: Index, dataset: Dataset) -> Iterator[Callable[[Item], Where]]:
    """Fetch the files of members, or the mosaic; the index is read again for the latter."""

    def fetch(item: Item) -> Where:
        if item.kind == "mosaic":
            options = restored(dataset)
            try:
                found = members_of(index, Path(dataset.uri), options)
            except (SourceError, UsageError) as error:
                raise ItemError(str(error)) from error
            return MosaicReference(found, skip_missing=options.skip_missing)
        return file_at(Path(dataset.options["root"], item.source_key))

    yield fetch


def items_of(
    name: str, found: Members, mosaic: MosaicReference, options: ScanOptions
) -> Iterator[Item]:
    """Yield the mosaic as an item of that name, or each member."""
    return _members(found, options) if options.mode == "separate" else _mosaic(name, mosaic)


def _mosaic(name: str, reference: MosaicReference) -> Iterator[Item]:
    item = Item(kind="mosaic", source_key="mosaic", name=name)
    item = probe(item, reference, claimed=True)
    yield replace(item, reason=reference.remark()) if item.status == "ready" else item


def _members(found: Members, options: ScanOptions) -> Iterator[Item]:
    """Yield each member once, however often the index lists it."""
    distinct = {member.key: member for member in found.listed}
    images = ((_item(member), member.where) for member in distinct.values())
    return probe_all(images, options.limits_of())


def _item(member: Member) -> Item:
    path = member.key.partition("?")[0] if member.reference else member.key
    name = path.rpartition("/")[2] or "unnamed"
    name = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)  # a table has lines
    item = Item(kind="member", source_key=member.key or "unnamed", name=name)
    if member.where is None:
        return replace(item, status="missing", reason=member.lost or "is missing")
    return replace(item, declared_type="image/*")
