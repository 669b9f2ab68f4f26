"""Input kinds. Each is one module that finds the items of an input and fetches their bytes.

A new kind is one module with the functions of :class:`Source`, or of :class:`Service` where
inputs are addresses and not paths, and one line in ``_MODULES`` or ``_SERVICES``.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from ...catalog.errors import ItemError, PixelcatError, SourceError, UsageError, first_line
from ...catalog.lock import assert_not_live
from ...catalog.records import Dataset, Item, Scan
from ..fingerprint import fingerprint
from ..reference import Where
from ..scan_options import Attached, ScanOptions
from ..vrt_words import is_vrt_text
from ..web_credentials import refuse_secrets
from . import (
    esri_mosaic,
    file,
    filegdb,
    filegdb_rasters,
    folder,
    folder_mosaic,
    form_export,
    geopackage,
    gti,
    image_service,
    map_service,
    mobile_geodatabase,
    photo_columns,
    stac,
    tile_tables,
    vrt,
    web_raster,
    web_stac,
    wms,
    wmts,
    xyz,
)

Fetch = Callable[[Item], Where]
"""Item → where its image is."""


class Source(Protocol):
    """What a module of this package provides."""

    KIND: str
    IS_WHOLE: bool
    """Whether everything that a scan looks at lies in the input itself; where it does not, the
    fingerprints of its datasets are its own."""

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


class Service(Protocol):
    """What a module of this package provides for inputs in the web."""

    KIND: str

    def matches(self, text: str) -> bool:
        """Return whether an input is of this kind, by how it is written; nothing is asked."""
        ...

    def scan(self, text: str, options: ScanOptions) -> Iterator[Scan]:
        """Yield one scan per dataset in the input.

        Args:
            text: The input.
            options: What the user says about it, the extent included.

        Raises:
            UsageError: Something has to be said about it.
            SourceError: It cannot be reached, or has nothing of what is asked for.
        """
        ...

    def reader(self, dataset: Dataset) -> AbstractContextManager[Fetch]:
        """Open a dataset to fetch its items; a fetch raises ItemError where one is gone."""
        ...


_MODULES: tuple[Source, ...] = (
    vrt, gti, stac, esri_mosaic, tile_tables,
    filegdb, filegdb_rasters, mobile_geodatabase, geopackage, form_export, photo_columns, folder_mosaic, folder, file,
)  # fmt: skip
SOURCES: dict[str, Source] = {module.KIND: module for module in _MODULES}
"""In the order in which they are asked whether an input is theirs."""

_MOSAICS = frozenset([vrt.KIND, gti.KIND, stac.KIND, esri_mosaic.KIND, folder_mosaic.KIND])
"""Kinds that the options of mosaics are about."""
_FOLDERS = frozenset([folder.KIND, folder_mosaic.KIND, esri_mosaic.KIND])
"""Kinds that are folders."""
_EITHER = frozenset([filegdb.KIND, filegdb_rasters.KIND, form_export.KIND])
"""Kinds that are folders or files."""
_SERVICES: tuple[Service, ...] = (
    image_service, map_service, wms, wmts, xyz, web_stac, web_raster,
)  # fmt: skip
SERVICES: dict[str, Service] = {module.KIND: module for module in _SERVICES}
"""The same for addresses."""
_KINDS = f"{', '.join(SOURCES)}; for addresses {', '.join(SERVICES)}"
_OF_SERVICES = frozenset(["--mode mosaic", "--where", "--zoom"])
_OF_ITEMS = _OF_SERVICES | {"--asset", "--mosaic-order", "--skip-missing"}
"""Options that services, and STAC items in the web, have of mosaics."""
_WITH_TILES: tuple[Service, ...] = (map_service, wmts, xyz)

_ATTACHED: dict[str, Callable[[Path], Attached]] = {
    filegdb.KIND: filegdb.attached,
    geopackage.KIND: geopackage.attached,
}
"""Kinds with layers that have attachments; their other layers may name photos by columns."""


def scan(
    path: Path | str, layer: str | None = None, options: ScanOptions | None = None
) -> Iterator[Scan]:
    """Find out what an input is and yield its datasets.

    Args:
        path: The input; text where it is an address, or a VRT itself.
        layer: Only this feature class; goes over the options.
        options: What the user says about the input.

    Raises:
        SourceError: No such file, not readable, or nothing to classify in it.
    """
    options = options or ScanOptions()
    if layer:
        options = replace(options, layer=layer)
    if isinstance(path, str):
        yield from (vrt.scan_text if is_vrt_text(path) else _scan_service)(path, options)
        return
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    if not (path.is_file() or path.is_dir()):
        raise SourceError(f"{path}: neither a regular file nor a folder")
    path = path.resolve()
    assert_not_live(path)
    options = options or ScanOptions()
    if layer:
        options = replace(options, layer=layer)
    source = _source_of(path, options)
    known = fingerprint([path], source.KIND, options) if source.IS_WHOLE else None
    for found in _scans(source, path, options):
        if SOURCES[found.dataset.kind].IS_WHOLE:
            found = replace(found, dataset=replace(found.dataset, fingerprint=known))
        said = {**found.dataset.options, **options.limits_of().as_options()}
        yield replace(found, dataset=replace(found.dataset, options=said))


def _source_of(path: Path, options: ScanOptions) -> Source:
    """Return what an input is: as the user says, or as the first kind that it matches."""
    if options.source_kind is not None:
        return _source_said(path, options.source_kind)
    if options.paths is not None:
        return SOURCES[esri_mosaic.KIND]
    source = next(source for source in SOURCES.values() if source.matches(path))
    is_mosaic = source is SOURCES[folder.KIND] and options.mode == "mosaic"
    return SOURCES[folder_mosaic.KIND] if is_mosaic else source


def _source_said(path: Path, kind: str) -> Source:
    what = "a folder" if path.is_dir() else "a file"
    if kind in SERVICES:
        raise UsageError(
            f"--source-kind {kind} is for an address of http or https; {path} is {what}"
        )
    if kind not in SOURCES:
        raise UsageError(f"--source-kind {kind} is unknown; known: {_KINDS}")
    if kind not in _EITHER and path.is_dir() != (kind in _FOLDERS):
        raise UsageError(f"--source-kind {kind}: {path} is {what}")
    return SOURCES[kind]


def _scan_service(text: str, options: ScanOptions) -> Iterator[Scan]:
    refuse_secrets(text)
    kind = options.source_kind
    if kind is not None and kind not in SERVICES:
        raise UsageError(f"--source-kind {kind} is no service; known are {', '.join(SERVICES)}")
    service = SERVICES[kind] if kind else _service_of(text)
    has_members = service in (image_service, web_stac)
    if (options.mode == "separate" or options.where) and not has_members:
        raise UsageError("--mode separate and --where are for image services and mosaics")
    allowed = _OF_ITEMS if service is web_stac else _OF_SERVICES
    alien = [name for name in options.given() if name not in allowed]
    if alien:
        raise UsageError(f"{text} is a service; leave out {', '.join(alien)}")
    if options.zoom is not None and options.cell_size is not None:
        raise UsageError(f"{text}: --zoom and --cell-size both say how fine; give one")
    if options.zoom is not None and service not in _WITH_TILES:
        raise UsageError(f"{text} has no tiles; say how fine with --cell-size, not --zoom")
    yield from service.scan(text, options)


def _service_of(text: str) -> Service:
    """Return what an address is of: as it is written or, where that tells nothing, as it answers."""
    found = next(service for service in _SERVICES if service.matches(text))
    return web_stac if found is web_raster and web_stac.answers(text) else found


def _scans(source: Source, path: Path, options: ScanOptions) -> Iterator[Scan]:
    if source.KIND not in _MOSAICS and options.given():
        raise UsageError(f"{path} is no mosaic; leave out {', '.join(options.given())}")
    if source.KIND in _ATTACHED:
        yield from _scan_layers(source, path, options)
        return
    if options.photo_columns and source not in (form_export, photo_columns):
        raise SourceError(f"{path} is no table and has no columns; leave out --photo-column")
    yield from source.scan(path, options)


def _scan_layers(source: Source, path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Read layers with photos; rasters beside them where there are none, or one is named."""
    rasters = filegdb_rasters.beside_layers(path, options) if source is filegdb else None
    if rasters is None:
        yield from _scan_photos(source, path, options, required=True)
    elif rasters.are_meant:
        yield from filegdb_rasters.scan(path, options)
    else:
        photos = _scan_photos(source, path, options, required=False)
        first = next(photos, None)
        if first is None:
            yield from filegdb_rasters.scan(path, options)
            return
        yield replace(first, dataset=rasters.noted(first.dataset))
        yield from photos


def _scan_photos(
    source: Source, path: Path, options: ScanOptions, *, required: bool
) -> Iterator[Scan]:
    """Read layers with attachments by their kind, the others by their photo columns."""
    attached = _ATTACHED[source.KIND](path)
    named = options.layer
    owner = attached.tables.get(named.lower()) if named else None
    if owner and owner.lower() in attached.layers and not options.photo_columns:
        raise SourceError(f"{path}: {named} is where {owner} has its photos; use --layer {owner}")
    if options.photo_columns or (named and named.lower() not in attached.layers):
        without: Collection[str] = () if named else attached.tables.keys()
        yield from photo_columns.scan_layers(path, options, without=without, required=True)
        return
    if attached.layers:
        yield from source.scan(path, options)
    if named is None:
        without = attached.layers | attached.tables.keys()
        required = required and not attached.layers
        yield from photo_columns.scan_layers(path, options, without=without, required=required)


@contextmanager
def reader(dataset: Dataset) -> Iterator[Fetch]:
    """Open a dataset of the catalog to fetch the images of its items.

    Raises:
        SourceError: It cannot be opened any more; a fetch raises ItemError where an item is gone.
    """
    source = SERVICES.get(dataset.kind) or SOURCES.get(dataset.kind)
    if source is None:
        raise SourceError(f"{dataset.uri} is of the kind {dataset.kind}, which is unknown")
    with source.reader(dataset) as fetch:
        yield partial(_fetched, fetch)


def _fetched(fetch: Fetch, item: Item) -> Where:
    """Return an image; a key that no scan has written is one of an image that is gone."""
    try:
        return fetch(item)
    except PixelcatError:
        raise
    except (OSError, ValueError, TypeError, OverflowError) as error:
        why = first_line(error)
        raise ItemError(f"cannot be fetched by its key {item.source_key!r}: {why}") from error
