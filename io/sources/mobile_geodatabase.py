"""An Esri mobile geodatabase or replica (``.geodatabase``), read with ``sqlite3`` alone."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from ...catalog.errors import ItemError
from ...catalog.geopackage import quote
from ...catalog.records import Dataset, Feature, Item, Scan
from ..attachment_tables import COLUMNS, attachments, choose, find_relations
from ..esri_geometry import box_wkb, point_wkb
from ..esri_items import GeodatabaseItems, Relation
from ..limits import Limits
from ..mobile_tables import (
    MobileTable,
    current_rows,
    is_archive,
    read_gdb_items,
    read_table,
    table_names,
)
from ..scan_options import ScanOptions
from ..sqlite_source import header, opened, read_features, table_columns

KIND = "mobile_geodatabase"
IS_WHOLE = True

_APPLICATION_ID = slice(68, 72)
_BOXES = "geometries other than points are shown as their bounding boxes"


def matches(path: Path) -> bool:
    """Return whether the file is an SQLite database that says it is Esri's."""
    head = header(path)
    if head is None:
        return False
    return head[_APPLICATION_ID] == b"Esri" or path.suffix.lower() == ".geodatabase"


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield one dataset per feature class (or table) that has attachments."""
    with _opened(path) as connection:
        tables = table_names(connection)
        items = read_gdb_items(connection)
        relations = find_relations(
            tables, items, lambda name: [c.name for c in table_columns(connection, name)]
        )
    for relation in choose(path, options.layer, tables, relations):
        exists = relation.layer in tables
        yield _scan_relation(path, relation, items, options.limits_of(), exists=exists)


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], bytes]]:
    """Fetch attachments by their ATTACHMENTID."""
    with _opened(Path(dataset.uri)) as connection:
        table = dataset.attachment_table or ""
        rows = _current_attachments(connection, table)

        def fetch(item: Item) -> bytes:
            row = connection.execute(
                f"SELECT data FROM {quote(table)} WHERE rowid = ?",
                (rows.get(item.source_key),),
            ).fetchone()
            if row is None or row[0] is None:
                raise ItemError("the attachment is gone from its geodatabase")
            return bytes(row[0])

        yield fetch


def _opened(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    return opened(path, "a mobile geodatabase")


def _scan_relation(
    path: Path, relation: Relation, items: GeodatabaseItems, limits: Limits, *, exists: bool
) -> Scan:
    with _opened(path) as connection:
        table = read_table(connection, relation.layer, items)
        key = _key_column(connection, table, relation) if exists else None
    dataset = Dataset(
        kind=KIND,
        uri=str(path),
        layer=relation.layer,
        attachment_table=relation.attachment_table,
        key_field=relation.foreign_key,
        driver="SQLite",
        srs=table.srs,
        geometry_type=table.geometry_type,
        has_z=table.has_z,
        columns=table.columns,
        domains=items.domains_of(table.columns),
        options={"note": _BOXES} if table.is_boxes else {},
    )
    return Scan(
        dataset=dataset,
        features=_features(path, table, key) if exists else (),
        items=attachments(
            _attachment_rows(path, relation), relation.foreign_key, limits, by_row_key=key is None
        ),
        links_by="source_fid" if key is None else "global_id",
    )


def _key_column(
    connection: sqlite3.Connection, table: MobileTable, relation: Relation
) -> str | None:
    """Return the column of the feature class that attachments name; None for its row key.

    Where nothing declares it and the row key is called, say, OBJECTID_1 because there was an
    OBJECTID before, the keys decide: the one that more attachments have.
    """
    wanted = (relation.origin_key or "OBJECTID").lower()
    column = next((c.name for c in table.columns if c.name.lower() == wanted), None)
    if column is None or column.lower() == table.row_key.lower():
        return None
    if relation.origin_key:
        return column

    def matches_of(key: str) -> int:
        query = (
            f"SELECT count(*) FROM {quote(relation.attachment_table)}"
            f" WHERE {quote(relation.foreign_key)} IN (SELECT {quote(key)} FROM {quote(table.name)})"
        )
        return int(connection.execute(query).fetchone()[0])

    return column if matches_of(column) > matches_of(table.row_key) else None


def _features(path: Path, table: MobileTable, global_id: str | None) -> Iterator[Feature]:
    names = [column.name for column in table.columns]
    with _opened(path) as connection:
        yield from read_features(
            connection.execute(table.select()),
            names,
            table.srs.definition if table.srs else None,
            _to_wkb(table),
            global_id=global_id,
        )


def _to_wkb(table: MobileTable) -> Callable[..., bytes | None]:
    if table.is_boxes:
        return box_wkb
    if table.grid is None:
        return lambda *shape: None
    return partial(point_wkb, grid=table.grid, has_z=table.has_z)


def _attachment_rows(path: Path, relation: Relation) -> Iterator[tuple[str, Mapping[str, object]]]:
    wanted = (relation.foreign_key.lower(), *COLUMNS)
    with _opened(path) as connection:
        table = relation.attachment_table
        present = {c.name.lower(): c.name for c in table_columns(connection, table)}
        names = [name for name in wanted if name in present]
        columns = ", ".join(quote(present[name]) for name in names)
        query = f"SELECT {columns} FROM {quote(table)} WHERE rowid = ?"
        for attachment_id, row in _current_attachments(connection, table).items():
            values = connection.execute(query, (row,)).fetchone()
            yield attachment_id, dict(zip(names, values, strict=True))


def _current_attachments(connection: sqlite3.Connection, table: str) -> dict[str, int]:
    """Return ATTACHMENTID → rowid of what nothing has superseded, in order.

    In a replica ATTACHMENTID has no index: to look up or sort the rows themselves by it would
    read every BLOB. Nor is it unique for certain: a row that repeats one gets another key.
    """
    found = table_columns(connection, table)
    column = next((c.name for c in found if c.name.lower() == "attachmentid"), "rowid")
    condition = current_rows(is_archive(found))
    keys: dict[str, int] = {}
    for key, row in connection.execute(
        f"SELECT {quote(column)}, rowid FROM {quote(table)} WHERE {condition} ORDER BY 1"
    ):
        keys[f"{key} in row {row}" if str(key) in keys else str(key)] = row
    return keys
