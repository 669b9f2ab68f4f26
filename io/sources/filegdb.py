"""A file geodatabase, a folder or zipped: feature classes with an attachment table.

pyogrio reads features, fiona streams attachments one BLOB at a time.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fiona
import pyogrio
from fiona.errors import FionaError
from pyogrio.errors import DataLayerError, DataSourceError

from ...catalog.errors import ItemError, SourceError
from ...catalog.records import Dataset, Item, Scan
from .. import srs
from ..attachment_tables import attachments, choose, find_relations
from ..esri_items import GeodatabaseItems, Relation, file_geodatabase_items
from ..gdal_words import in_plain_words
from ..limits import Limits
from ..ogr import LayerInfo, layer_info, read_features
from ..scan_options import Attached, ScanOptions
from ..zipped_geodatabase import gdal_path, holds_geodatabase, is_file_geodatabase

KIND = "filegdb"
IS_WHOLE = True


def matches(path: Path) -> bool:
    """Return whether this is a file geodatabase, a folder or zipped."""
    return is_file_geodatabase(path) or holds_geodatabase(path)


def attached(path: Path) -> Attached:
    """Return the feature classes that have attachments, and the tables that hold them."""
    _, _, relations = _contents(path)
    tables = {each.attachment_table.lower(): each.layer for each in relations}
    return Attached(frozenset(layer.lower() for layer in tables.values()), tables)


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield one dataset per feature class (or table) that has attachments."""
    uri = gdal_path(path)
    tables, items, relations = _contents(path)
    for relation in choose(path, options.layer, tables, relations):
        info = layer_info(uri, relation.layer) if relation.layer in tables else None
        yield _scan_relation(path, relation, info, items, options.limits_of())


def _contents(path: Path) -> tuple[list[str], GeodatabaseItems, list[Relation]]:
    """Return the layers, what the system table says of them, and the relations."""
    _check_complete(path)
    uri = gdal_path(path)
    try:
        tables = [str(name) for name, _ in pyogrio.list_layers(uri)]
        items = file_geodatabase_items(uri)
        return tables, items, list(find_relations(tables, items, lambda name: _columns(uri, name)))
    except (DataSourceError, DataLayerError) as error:
        why = in_plain_words(error)
        raise SourceError(f"{path}: not a readable file geodatabase: {why}") from error


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], bytes]]:
    """Fetch attachments by their ATTACHMENTID."""
    path = Path(dataset.uri)
    try:
        with fiona.open(gdal_path(path), layer=dataset.attachment_table) as table:
            column = next((n for n in table.schema["properties"] if n.lower() == "data"), "DATA")
            row_of = table.__getitem__ if path.is_dir() else _InOrder(table)

            def fetch(item: Item) -> bytes:
                try:
                    data = row_of(int(item.source_key)).properties[column]
                except (FionaError, KeyError, IndexError, AttributeError, TypeError) as error:
                    raise ItemError("the attachment is gone from its geodatabase") from error
                return bytes(data or b"")

            yield fetch
    except FionaError as error:
        why = in_plain_words(error)
        raise SourceError(f"{dataset.uri}: cannot be read any more: {why}") from error


def _check_complete(path: Path) -> None:
    """Refuse a folder without the index of a table: GDAL would guess, and miss rows and layers."""
    names = {file.name for file in path.iterdir()} if path.is_dir() else set()
    for name in sorted(names):
        if name.endswith(".gdbtable") and name.removesuffix("e") + "x" not in names:
            missing = name.removesuffix("e") + "x"
            raise SourceError(f"{path}: not complete, {missing} is missing; copy it again")


class _InOrder:
    """Rows by key, asked for in rising order: an archive is unpacked once, from end to end.

    Asking for a row out of order is possible and slow.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self._rows = iter(table)
        self._row = next(self._rows, None)

    def __call__(self, key: int) -> Any:
        while self._row is not None and int(self._row.id) < key:
            self._row = next(self._rows, None)
        if self._row is not None and int(self._row.id) == key:
            return self._row
        return self._table[key]


def _columns(uri: str, table: str) -> list[str]:
    return [str(name) for name in pyogrio.read_info(uri, layer=table)["fields"]]


def _scan_relation(
    path: Path,
    relation: Relation,
    info: LayerInfo | None,
    items: GeodatabaseItems,
    limits: Limits,
) -> Scan:
    exists, info = info is not None, info or LayerInfo()
    key = info.find(relation.origin_key)
    columns = items.describe(relation.layer, info.columns)
    dataset = Dataset(
        kind=KIND,
        uri=str(path),
        layer=relation.layer,
        attachment_table=relation.attachment_table,
        key_field=relation.foreign_key,
        driver="OpenFileGDB",
        srs=srs.describe(info.crs) if info.crs else None,
        geometry_type=info.geometry_type,
        has_z=info.has_z,
        columns=columns,
        domains=items.domains_of(columns),
    )
    uri = gdal_path(path)
    return Scan(
        dataset=dataset,
        features=read_features(uri, relation.layer, info, global_id=key) if exists else (),
        items=_items(path, relation, limits, by_row_key=key is None),
        links_by="source_fid" if key is None else "global_id",
    )


def _items(path: Path, relation: Relation, limits: Limits, *, by_row_key: bool) -> Iterator[Item]:
    """Yield every attachment, and an item for each row that there is and that cannot be read."""
    name, seen = relation.attachment_table, 0
    found = attachments(_rows(path, name), relation.foreign_key, limits, by_row_key=by_row_key)
    for item in found:
        seen += 1
        yield item
    for number in range(1, _count(path, name) - seen + 1):
        yield Item(
            kind="attachment",
            source_key=f"damaged row {number}",
            name=f"{name}, damaged row {number}",
            status="unreadable",
            reason="its row in the table of attachments is damaged; copy the geodatabase again",
        )


def _count(path: Path, name: str) -> int:
    with fiona.open(gdal_path(path), layer=name) as table:
        return len(table)


def _rows(path: Path, name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    try:
        with fiona.open(gdal_path(path), layer=name) as table:
            names = {column.lower(): column for column in table.schema["properties"]}
            for row in table:
                yield str(row.id), {key: row.properties[name] for key, name in names.items()}
    except FionaError as error:
        raise SourceError(f"{path}: {name}: {in_plain_words(error)}") from error
