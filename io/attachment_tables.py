"""Attachment tables of a geodatabase (``<feature class>__ATTACH``) and their rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from ..catalog.errors import SourceError
from ..catalog.records import Item
from .esri_items import GeodatabaseItems, Relation
from .limits import Limits
from .ogr import normalise_guid
from .probe import probe_all

COLUMNS = ("data", "content_type", "att_name", "keywords", "globalid")
"""What is read of an attachment, but for the keys; not all tables have all."""
_SUFFIX = "__ATTACH"


def find_relations(
    tables: Iterable[str], items: GeodatabaseItems, columns_of: Callable[[str], Iterable[str]]
) -> list[Relation]:
    """Return which table holds the attachments of which feature class.

    Declared relations first, which survive renames; a table that none of them names is
    taken by its own name.

    Args:
        tables: All tables of the geodatabase.
        items: What GDB_Items says.
        columns_of: Gives the columns of a table.
    """
    known = {name.lower(): name for name in tables}
    declared = []
    for relation in items.relations:
        table = known.get(relation.attachment_table.lower())
        origin = known.get(relation.layer.lower())
        if table and origin:
            declared.append(relation._replace(layer=origin, attachment_table=table))
    taken = {relation.attachment_table for relation in declared}
    by_name = [name for name in known.values() if name.upper().endswith(_SUFFIX)]
    return declared + [
        _by_name(known, items, name, columns_of(name)) for name in by_name if name not in taken
    ]


def _by_name(
    known: Mapping[str, str], items: GeodatabaseItems, table: str, columns: Iterable[str]
) -> Relation:
    stem = table[: -len(_SUFFIX)]
    layer = known.get(stem.lower(), stem)
    present = {column.lower(): column for column in columns}
    if "rel_globalid" in present:
        info = items.tables.get(layer.lower())
        global_id = (info and info.global_id) or "GLOBALID"
        return Relation(layer, table, global_id, present["rel_globalid"])
    return Relation(layer, table, None, present.get("rel_objectid", ""))


def choose(
    path: Path, layer: str | None, tables: Iterable[str], relations: list[Relation]
) -> list[Relation]:
    """Return the relations that a user asks for.

    Raises:
        SourceError: None, or one by whose keys nothing can be linked.
    """
    tables = list(tables)
    chosen = [r for r in relations if layer is None or r.layer.lower() == layer.lower()]
    for relation in chosen:
        if not relation.foreign_key:
            table = relation.attachment_table
            raise SourceError(f"{path}: table {table} has neither REL_GLOBALID nor REL_OBJECTID")
    if chosen:
        return chosen
    if layer is None:
        raise SourceError(f"{path}: no attachments on any of {_listing(tables)}")
    if layer.lower() in (name.lower() for name in tables):
        with_photos = _listing(relation.layer for relation in relations)
        raise SourceError(
            f"{path}: layer {layer} has no attachments (those that do: {with_photos})"
        )
    raise SourceError(f"{path}: no layer {layer}; there are {_listing(tables)}")


def attachments(
    rows: Iterable[tuple[str, Mapping[str, object]]],
    foreign_key: str,
    limits: Limits,
    *,
    by_row_key: bool,
) -> Iterator[Item]:
    """Return every row of an attachment table as an item, in turn.

    Args:
        rows: ATTACHMENTID, and the values by column in lower case; others are passed over.
        foreign_key: The column that names the feature.
        limits: What of an image is taken.
        by_row_key: Whether it does so by OBJECTID; otherwise by GlobalID.
    """
    return probe_all(_images(rows, foreign_key.lower(), by_row_key=by_row_key), limits)


def _images(
    rows: Iterable[tuple[str, Mapping[str, object]]], foreign_key: str, *, by_row_key: bool
) -> Iterator[tuple[Item, bytes | None]]:
    for row_id, values in rows:
        key = values.get(foreign_key)
        key = "NULL" if key in (None, "") else str(key)
        data, declared, name, keywords, own = (values.get(column) for column in COLUMNS)
        item = Item(
            kind="attachment",
            source_key=row_id,
            name=str(name) if name else f"attachment {row_id}",
            keywords=str(keywords) if keywords else None,
            global_id=normalise_guid(str(own)) if own else None,
            declared_type=str(declared) if declared else None,
            feature_keys=(key if by_row_key else normalise_guid(key),),
        )
        yield item, bytes(data) if isinstance(data, bytes | bytearray) else None


def _listing(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
