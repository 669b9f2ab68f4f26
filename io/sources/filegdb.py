"""A file geodatabase: feature classes with an attachment table.

The relation is read from the XML in the system table GDB_Items, which survives renames;
a table named ``<feature class>__ATTACH`` without a relation is taken by its name.
pyogrio reads features, fiona streams attachments one BLOB at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import fiona
import pyogrio
from fiona.errors import FionaError
from pyogrio.errors import DataLayerError, DataSourceError

from ...catalog.errors import ItemError, SourceError
from ...catalog.records import Dataset, Feature, Item, Scan
from .. import srs
from ..ogr import LayerInfo, layer_info, normalise_guid, read_features
from ..probe import probe
from .options import Attached, ScanOptions

KIND = "filegdb"

_SUFFIX = "__ATTACH"


class _Relation(NamedTuple):
    """Which table holds the attachments of which feature class, and by which keys."""

    layer: str
    attachment_table: str
    origin_key: str | None
    """Column of the feature class; None for its row key (OBJECTID)."""
    foreign_key: str
    """Column of the attachment table."""


def is_file_geodatabase(path: Path) -> bool:
    """Return whether a folder holds the tables of a file geodatabase."""
    return path.is_dir() and (path / "a00000001.gdbtable").is_file()


matches = is_file_geodatabase


def attached(path: Path) -> Attached:
    """Return the feature classes that have attachments, and the tables that hold them."""
    _, relations = _contents(path)
    layers = frozenset(relation.layer.lower() for relation in relations)
    return Attached(layers, frozenset(each.attachment_table.lower() for each in relations))


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield one dataset per feature class (or table) that has attachments."""
    layers, relations = _contents(path)
    for relation in relations:
        if options.layer is None or relation.layer.lower() == options.layer.lower():
            yield _scan_relation(path, relation, exists=relation.layer in layers)


def _contents(path: Path) -> tuple[dict[str, str | None], list[_Relation]]:
    """Return the layers with their geometry types, and the relations."""
    try:
        layers = {name: kind for name, kind in pyogrio.list_layers(path)}
        return layers, list(_relations(path, layers))
    except (DataSourceError, DataLayerError) as error:
        raise SourceError(f"{path}: not a readable file geodatabase: {error}") from error


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], bytes]]:
    """Fetch attachments by their ATTACHMENTID."""
    try:
        with fiona.open(
            dataset.uri, layer=dataset.attachment_table, include_fields=["DATA"]
        ) as table:

            def fetch(item: Item) -> bytes:
                try:
                    data = table[int(item.source_key)].properties["DATA"]
                except (FionaError, KeyError, IndexError, AttributeError, TypeError) as error:
                    raise ItemError("the attachment is gone from its geodatabase") from error
                return bytes(data or b"")

            yield fetch
    except FionaError as error:
        raise SourceError(f"{dataset.uri}: cannot be read any more: {error}") from error


def _relations(path: Path, layers: dict[str, str | None]) -> Iterator[_Relation]:
    known = {name.lower(): name for name in layers}
    declared = []
    for relation in _declared_relations(path):
        table = known.get(relation.attachment_table.lower())
        origin = known.get(relation.layer.lower())
        if table and origin:
            declared.append(relation._replace(layer=origin, attachment_table=table))
    yield from declared
    taken = {relation.attachment_table for relation in declared}
    for name in layers:
        if name.upper().endswith(_SUFFIX) and name not in taken:
            stem = name[: -len(_SUFFIX)]
            yield _relation_by_name(path, known.get(stem.lower(), stem), name)


def _declared_relations(path: Path) -> Iterator[_Relation]:
    try:
        _, _, _, columns = pyogrio.raw.read(
            path, layer="GDB_Items", columns=["Definition"], read_geometry=False
        )
    except (DataSourceError, DataLayerError):
        return
    for definition in columns[0] if len(columns) else ():
        if definition and "IsAttachmentRelationship" in definition:
            relation = _parse_relation(definition)
            if relation is not None:
                yield relation


def _parse_relation(definition: str) -> _Relation | None:
    """Read a relationship class as Esri writes it (schema typens 10.x)."""
    if "<!DOCTYPE" in definition:  # no entities from strangers
        return None
    try:
        root = ElementTree.fromstring(definition)  # noqa: S314
    except ElementTree.ParseError:
        return None
    if root.findtext("IsAttachmentRelationship") != "true":
        return None
    origin = root.findtext("OriginClassNames/Name") or ""
    table = root.findtext("DestinationClassNames/Name") or ""
    keys = {
        key.findtext("KeyRole"): key.findtext("ObjectKeyName") or ""
        for key in root.iterfind("OriginClassKeys/RelationshipClassKey")
    }
    foreign = keys.get("esriRelKeyRoleOriginForeign")
    if not (origin and table and foreign):
        return None
    return _Relation(
        origin.rpartition("\\")[2],
        table.rpartition("\\")[2],
        keys.get("esriRelKeyRoleOriginPrimary"),
        foreign,
    )


def _relation_by_name(path: Path, layer: str, table: str) -> _Relation:
    fields = [str(name) for name in pyogrio.read_info(path, layer=table)["fields"]]
    for wanted in ("rel_globalid", "rel_objectid"):
        for field in fields:
            if field.lower() == wanted:
                origin = "GLOBALID" if wanted == "rel_globalid" else None
                return _Relation(layer, table, origin, field)
    return _Relation(layer, table, None, "")


def _scan_relation(path: Path, relation: _Relation, *, exists: bool) -> Scan:
    if not relation.foreign_key:
        table = relation.attachment_table
        raise SourceError(f"{path}: table {table} has neither REL_GLOBALID nor REL_OBJECTID")
    info = layer_info(path, relation.layer) if exists else LayerInfo()
    key = info.find(relation.origin_key)
    by_row_key = key is None
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
        columns=info.columns,
    )
    features: Iterator[Feature] = (
        read_features(path, relation.layer, info, global_id=key) if exists else iter(())
    )
    return Scan(
        dataset=dataset,
        features=features,
        items=_attachments(path, relation, by_row_key=by_row_key),
        links_by="source_fid" if by_row_key else "global_id",
    )


def _attachments(path: Path, relation: _Relation, *, by_row_key: bool) -> Iterator[Item]:
    try:
        with fiona.open(path, layer=relation.attachment_table) as table:
            names = {name.lower(): name for name in table.schema["properties"]}
            for row in table:
                values = {key: row.properties[name] for key, name in names.items()}
                key = values.get(relation.foreign_key.lower())
                yield _attachment(int(row.id), values, str(key or "NULL"), by_row_key)
    except FionaError as error:
        raise SourceError(f"{path}: {relation.attachment_table}: {error}") from error


def _attachment(row_id: int, values: dict[str, object], key: str, by_row_key: bool) -> Item:
    data = values.get("data")
    declared = values.get("content_type")
    name = values.get("att_name")
    item = Item(
        kind="attachment",
        source_key=str(row_id),
        name=str(name) if name else f"attachment {row_id}",
        declared_type=str(declared) if declared else None,
        feature_keys=(key if by_row_key else normalise_guid(key),),
    )
    return probe(item, bytes(data) if isinstance(data, bytes | bytearray) else None)
