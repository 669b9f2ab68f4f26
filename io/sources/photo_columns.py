"""Layers and tables whose columns name or hold photos: paths, links, BLOBs, base64.

A child table (one row per photo) gives its photos to the features of its parent layer.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...catalog.errors import SourceError
from ...catalog.records import Column, Dataset, Feature, Item, Scan
from .. import srs
from ..fingerprint import fingerprint
from ..key_columns import column_of
from ..parent_tables import find_parent
from ..photo_columns import photo_columns, searched_columns
from ..photo_items import PhotoTable, fetcher, find_photos
from ..photo_parents import is_named, told_otherwise, with_parent
from ..photo_paths import PhotoFolders
from ..points import with_points
from ..qgis_project import Project, projects_of
from ..scan_options import ScanOptions
from ..table_formats import is_table_file
from ..tables import Table, open_tables

KIND = "photo_columns"
IS_WHOLE = False

matches = is_table_file


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield one dataset per layer or table that has photo columns, or a child that has."""
    return scan_layers(path, options, without=(), required=True)


def scan_layers(
    path: Path, options: ScanOptions, *, without: Collection[str], required: bool
) -> Iterator[Scan]:
    """Yield what :func:`scan` does, except of some layers.

    Args:
        path: The data source.
        options: What the user says about it.
        without: Layers and tables that are read in another way, in lower case.
        required: Whether it is an error that there are no photo columns.
    """
    source = _open(path, options, without)
    layers = _layers_with_photos(source, options)
    if not layers and required:
        raise SourceError(_nothing_found(source, options))
    for layer, tables in layers:
        yield _scan_layer(source, layer, tables, options)


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], Path | bytes]]:
    """Fetch files by path and encoded images by table, column and row."""
    path = Path(dataset.uri)
    yield fetcher(lambda: open_tables(path), Path(dataset.options["root"]))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    path: Path
    every: Sequence[Table]
    tables: Sequence[Table]
    """Those that are not read in another way."""
    projects: Sequence[Project]
    folders: PhotoFolders
    fingerprint: str | None
    """Of the data and of what the user says."""


def _open(path: Path, options: ScanOptions, without: Collection[str]) -> _Source:
    known = fingerprint([path], KIND, options)
    tables = open_tables(path)
    projects = projects_of(path)
    _check_names(path, tables, options)
    home = path.parent
    folders = [project.folder for project in projects]
    return _Source(
        path=path,
        every=tables,
        tables=[table for table in tables if table.name.lower() not in without],
        projects=projects,
        folders=PhotoFolders(home, media=options.media, projects=folders),
        fingerprint=known,
    )


def _check_names(path: Path, tables: Sequence[Table], options: ScanOptions) -> None:
    """Refuse layers and columns that are not there."""
    layer = options.layer
    if layer is not None and layer.lower() not in {table.name.lower() for table in tables}:
        listing = ", ".join(table.name for table in tables) or "none"
        raise SourceError(f"{path}: no layer {layer}; there are {listing}")
    for name in (*options.photo_columns, *(options.xy or ())):
        if not any(column_of(table, name) for table in tables):
            listing = _listing(tables if layer is None else _chosen(tables, layer))
            raise SourceError(f"{path}: no column {name}; there are {listing}")


def _layers_with_photos(
    source: _Source, options: ScanOptions
) -> list[tuple[Table, list[PhotoTable]]]:
    """Return the layers in their order, each with the tables that its photos are in."""
    widgets = [widget for project in source.projects for widget in project.widgets]
    relations = [relation for project in source.projects for relation in project.relations]
    found: dict[str, list[PhotoTable]] = {}
    for table in source.tables:
        columns = tuple(photo_columns(table, options.photo_columns, widgets))
        if not columns:
            continue
        names = {column.name for column in columns}
        match = None
        if not is_named(table, options.layer):
            match = find_parent(table, names, source.every, relations, options.layer)
        photos = PhotoTable(table, columns)
        if match is not None and match.parent.table not in source.tables:
            photos = photos._replace(note=told_otherwise(table, names, match))
        else:
            photos = with_parent(photos, match, source.every, options.layer)
        owner = table if photos.parent is None else photos.parent.table
        found.setdefault(owner.name, []).append(photos)
    chosen = source.tables if options.layer is None else _chosen(source.tables, options.layer)
    return [(table, found[table.name]) for table in chosen if table.name in found]


def _chosen(tables: Sequence[Table], layer: str) -> list[Table]:
    return [table for table in tables if table.name.lower() == layer.lower()]


def _scan_layer(
    source: _Source, layer: Table, tables: list[PhotoTable], options: ScanOptions
) -> Scan:
    own = [each for each in tables if each.parent is None]
    images = {column.name for each in own for column in each.columns if column.has_images}
    children = [each for each in tables if each.parent is not None]
    points = _point_columns(layer, options)
    photos = find_photos(tables, source.folders)
    note = "; ".join(each.note for each in tables if each.note)
    dataset = Dataset(
        kind=KIND,
        uri=str(source.path),
        layer=layer.name,
        attachment_table=", ".join(each.table.name for each in children) or None,
        key_field=next((each.parent.column for each in children if each.parent), None),
        driver=layer.driver,
        srs=srs.describe("EPSG:4326") if points else layer.srs,
        geometry_type="POINT" if points else layer.geometry_type,
        has_z=layer.has_z,
        columns=_without(layer.columns, images),
        domains=dict(layer.domains),
        options={"root": str(source.folders.root), **({"note": note} if note else {})},
        fingerprint=source.fingerprint
        and photos.fingerprint(source.fingerprint, source.folders.root, *map(_described, tables)),
    )
    features: Iterator[Feature] = layer.features(leave_out=images)
    if points:
        features = with_points(features, *points)
    return Scan(dataset=dataset, features=features, items=photos.items(options.limits_of(KIND)))


def _described(photos: PhotoTable) -> tuple[object, ...]:
    """Return what was found out of a table, which projects have a say in."""
    parent = photos.parent
    keys = () if parent is None else (parent.table.name, parent.column, parent.child_column)
    return (photos.table.name, photos.columns, keys)


def _point_columns(layer: Table, options: ScanOptions) -> tuple[str, str] | None:
    if options.xy is None or layer.geometry_type is not None:
        return None
    x, y = (column_of(layer, name) for name in options.xy)
    return (x, y) if x and y else None


def _without(columns: Sequence[Column], names: Collection[str]) -> tuple[Column, ...]:
    return tuple(column for column in columns if column.name not in names)


def _nothing_found(source: _Source, options: ScanOptions) -> str:
    tables = source.every if options.layer is None else _chosen(source.every, options.layer)
    if options.photo_columns:
        names = ", ".join(options.photo_columns)
        return f"{source.path}: no column {names}; there are {_listing(tables)}"
    if not tables:
        return f"{source.path}: there are no layers in it; it may be damaged"
    if any(map(searched_columns, tables)) and not any(map(_has_rows, tables)):
        return f"{source.path}: there are columns and no rows ({_listing(tables)})"
    what = "no layer has" if options.layer is None else f"layer {options.layer} has no"
    return (
        f"{source.path}: {what} related media, attachments or photo column"
        f" (looked at {_listing(tables, searched=True)}); --photo-column NAME names one"
    )


def _has_rows(table: Table) -> bool:
    return next(table.rows([]), None) is not None


def _listing(tables: Sequence[Table], *, searched: bool = False) -> str:
    """Return the columns of tables in words."""
    words = [
        f"{table.name}: {', '.join(searched_columns(table) if searched else _names(table)) or '-'}"
        for table in tables
    ]
    return "; ".join(words) or "none"


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]
