"""The system table GDB_Items of a geodatabase: what its XML says of tables and their links.

File and mobile geodatabases hold the same documents (schema typens 10.x): relationship
classes, feature classes and tables with the aliases of their fields, and domains.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from ..catalog.records import CodedDomains, Column

_TEXT, _UNLIMITED = "esriFieldTypeString", 65_536


class Relation(NamedTuple):
    """Which table holds the attachments of which feature class, and by which keys."""

    layer: str
    attachment_table: str
    origin_key: str | None
    """Column of the feature class; None for its row key (OBJECTID)."""
    foreign_key: str
    """Column of the attachment table; empty where it has none."""


class SpatialReference(NamedTuple):
    """A reference system, and how coordinates are stored as whole numbers."""

    definition: str | None
    """``EPSG:n`` or WKT."""
    x_origin: float
    y_origin: float
    xy_scale: float
    z_origin: float
    z_scale: float


class FieldInfo(NamedTuple):
    """A column."""

    alias: str | None = None
    domain: str | None = None
    width: int = 0
    """Characters that a text may have; 0 where that is not limited, or it is no text."""


class TableInfo(NamedTuple):
    """A feature class or table."""

    row_key: str | None
    global_id: str | None
    """Its column of type GlobalID, whatever that is called."""
    fields: dict[str, FieldInfo]
    """By their names in lower case."""
    spatial_reference: SpatialReference | None


@dataclass(frozen=True, slots=True)
class GeodatabaseItems:
    """What the documents say; tables go by their names in lower case."""

    relations: list[Relation] = field(default_factory=list)
    """Attachment relations only."""
    tables: dict[str, TableInfo] = field(default_factory=dict)
    rasters: dict[str, str | None] = field(default_factory=dict)
    """Raster datasets and their reference systems, ``EPSG:n`` or WKT."""
    domains: dict[str, dict[str, str]] = field(default_factory=dict)
    """Domain → code → what it means, for domains of coded values."""

    def describe(self, table: str, columns: Iterable[Column]) -> tuple[Column, ...]:
        """Return columns with their aliases, the names of their domains, and widths of texts."""
        info = self.tables.get(table.lower())
        fields = info.fields if info else {}
        return tuple(
            replace(
                column,
                alias=known.alias if known.alias != column.name else None,
                domain=known.domain,
                sql_type=f"TEXT({known.width})"
                if known.width and column.sql_type == "TEXT"
                else column.sql_type,
            )
            for column in columns
            for known in [fields.get(column.name.lower(), FieldInfo())]
        )

    def domains_of(self, columns: Sequence[Column]) -> CodedDomains:
        """Return what the codes in these columns mean."""
        used = {column.domain for column in columns}
        return {name: codes for name, codes in self.domains.items() if name in used}


def read_items(definitions: Iterable[object]) -> GeodatabaseItems:
    """Read the documents of the column Definition; what is no document of these is passed over."""
    items = GeodatabaseItems()
    for definition in definitions:
        root = _parse(definition)
        if root is None:
            continue
        kind = root.tag.rpartition("}")[2]
        if kind == "DERelationshipClassInfo":
            items.relations.extend(_relation(root))
        elif kind in ("DEFeatureClassInfo", "DETableInfo"):
            items.tables[_simple_name(root.findtext("Name")).lower()] = _table(root)
        elif kind == "DERasterDataset":
            system = _spatial_reference(root.find("SpatialReference"))
            items.rasters[_simple_name(root.findtext("Name")).lower()] = (
                system.definition if system else None
            )
        elif kind.startswith("GPCodedValueDomain"):
            items.domains[root.findtext("DomainName") or ""] = _codes(root)
    return items


def file_geodatabase_items(uri: str) -> GeodatabaseItems:
    """Read the documents of a file geodatabase; none where it has no such table.

    Args:
        uri: The geodatabase, as GDAL calls it.
    """
    try:
        _, _, _, columns = pyogrio.raw.read(
            uri,
            layer="GDB_Items",
            columns=["Definition"],
            read_geometry=False,
            LIST_ALL_TABLES="YES",
        )
    except (DataSourceError, DataLayerError):
        return GeodatabaseItems()
    return read_items(columns[0] if len(columns) else ())


def _parse(definition: object) -> Element | None:
    if not isinstance(definition, str) or "<!DOCTYPE" in definition:  # no entities of strangers
        return None
    try:
        return ElementTree.fromstring(definition.strip())  # noqa: S314
    except ElementTree.ParseError:
        return None


def _relation(root: Element) -> list[Relation]:
    if root.findtext("IsAttachmentRelationship") != "true":
        return []
    origin = _simple_name(root.findtext("OriginClassNames/Name"))
    table = _simple_name(root.findtext("DestinationClassNames/Name"))
    keys = {
        key.findtext("KeyRole"): _simple_name(key.findtext("ObjectKeyName"))
        for key in root.iterfind("OriginClassKeys/RelationshipClassKey")
    }
    foreign = keys.get("esriRelKeyRoleOriginForeign")
    if not (origin and table and foreign):
        return []
    return [Relation(origin, table, keys.get("esriRelKeyRoleOriginPrimary"), foreign)]


def _table(root: Element) -> TableInfo:
    fields = {
        _simple_name(each.findtext("Name")).lower(): _field(each)
        for each in root.iterfind("GPFieldInfoExs/GPFieldInfoEx")
    }
    return TableInfo(
        row_key=_simple_name(root.findtext("OIDFieldName")) or None,
        global_id=_simple_name(root.findtext("GlobalIDFieldName")) or None,
        fields=fields,
        spatial_reference=_spatial_reference(root.find("SpatialReference")),
    )


def _field(root: Element) -> FieldInfo:
    width = root.findtext("Length") or ""
    is_limited = width.isdecimal() and int(width) < _UNLIMITED
    return FieldInfo(
        alias=root.findtext("AliasName") or None,
        domain=root.findtext("DomainName") or root.findtext("Domain/DomainName") or None,
        width=int(width) if is_limited and root.findtext("FieldType") == _TEXT else 0,
    )


def _spatial_reference(root: Element | None) -> SpatialReference | None:
    if root is None:
        return None
    number = root.findtext("LatestWKID") or root.findtext("WKID") or ""
    try:
        grid = [
            float(root.findtext(name) or default)
            for name, default in (
                *(("XOrigin", 0), ("YOrigin", 0), ("XYScale", 1)),
                *(("ZOrigin", 0), ("ZScale", 1)),
            )
        ]
    except ValueError:
        return None
    is_epsg = number.isdecimal() and 0 < int(number) < 32768  # Esri's own numbers are larger
    return SpatialReference(f"EPSG:{number}" if is_epsg else root.findtext("WKT"), *grid)


def _codes(root: Element) -> dict[str, str]:
    return {
        code: each.findtext("Name") or code
        for each in root.iterfind("CodedValues/CodedValue")
        if (code := each.findtext("Code")) is not None
    }


def _simple_name(name: str | None) -> str:
    r"""Return a name without feature dataset (``\fd\plots``) or owner (``main.plots``)."""
    return (name or "").rpartition("\\")[2].rpartition(".")[2]
