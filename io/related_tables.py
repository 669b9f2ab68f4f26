"""The Related Tables Extension (OGC 18-000) of a source GeoPackage, through ``sqlite3``."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..catalog.errors import SourceError
from ..catalog.geopackage import quote
from .geopackage_layer import Layer

_ICONS = "nga_icon"
_PREVIEWS_OF = "nga_contents_id"
"""NGA tools keep map icons and layer previews as media relations of these tables."""


class Relation(NamedTuple):
    """One row of gpkgext_relations."""

    layer: str
    layer_key: str
    media: str
    media_key: str
    mapping: str


def _tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the names of all tables, by their lower case: SQLite knows them in any."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE name IS NOT NULL")
    return {row[0].lower(): row[0] for row in rows}


def layer_names(path: Path, connection: sqlite3.Connection) -> list[str]:
    """Return the feature classes and attribute tables of a GeoPackage.

    Raises:
        SourceError: The database is no GeoPackage, or a catalog of ours.
    """
    tables = _tables(connection)
    if {"runs", "outputs", "gpkg_contents"} <= tables.keys():
        raise SourceError(f"{path} is a pixelcat catalog, not an input")
    if "gpkg_contents" not in tables:
        raise SourceError(f"{path} is an SQLite database but no GeoPackage")
    rows = connection.execute(
        "SELECT table_name FROM gpkg_contents WHERE data_type IN ('features', 'attributes')"
    )
    return [tables[row[0].lower()] for row in rows if row[0] and row[0].lower() in tables]


def media_relations(connection: sqlite3.Connection) -> list[Relation]:
    """Return the relations that link features to photos, icons and previews left out."""
    return [
        relation
        for relation in _all_media_relations(connection)
        if relation.media.lower() != _ICONS and relation.layer.lower() != _PREVIEWS_OF
    ]


def media_tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the tables that hold or link media, in lower case, each with the first layer it has.

    Icons and previews are included.
    """
    return {
        name.lower(): each.layer
        for each in reversed(_all_media_relations(connection))
        for name in (each.media, each.mapping)
    }


def _all_media_relations(connection: sqlite3.Connection) -> list[Relation]:
    tables = _tables(connection)
    if "gpkgext_relations" not in tables:
        return []
    rows = connection.execute(
        "SELECT base_table_name, base_primary_column, related_table_name, related_primary_column,"
        " mapping_table_name FROM gpkgext_relations WHERE lower(relation_name) = 'media'"
    )
    found = []
    for layer, layer_key, media, media_key, mapping in rows:
        names = [tables.get(str(name).lower()) for name in (layer, media, mapping)]
        if None not in names:
            found.append(
                Relation(str(names[0]), layer_key, str(names[1]), media_key, str(names[2]))
            )
    return found


def read_links(
    connection: sqlite3.Connection, layer: Layer, relations: Sequence[Relation]
) -> dict[int, list[str]]:
    """Return the features of each media row; one that does not exist stays, in words."""
    links: dict[int, list[str]] = {}
    for relation in relations:
        key = quote(relation.layer_key)
        rows = connection.execute(
            f"SELECT m.related_id, m.base_id, b.{quote(layer.row_key)} FROM"
            f" {quote(relation.mapping)} m LEFT JOIN {quote(layer.name)} b ON b.{key} = m.base_id"
        )
        for media_id, base_id, row_id in rows:
            links.setdefault(media_id, []).append(
                str(row_id) if row_id is not None else f"= {base_id}"
            )
    return links


def media_key(connection: sqlite3.Connection, table: str) -> str:
    """Return the key column of a media table."""
    row = connection.execute(
        "SELECT related_primary_column FROM gpkgext_relations"
        " WHERE lower(related_table_name) = lower(?)",
        (table,),
    ).fetchone()
    return str(row[0]) if row else "id"
