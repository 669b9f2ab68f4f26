"""A GeoPackage whose features have photos as related media (OGC 18-000).

Read with ``sqlite3`` alone, one BLOB at a time.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...catalog.errors import ItemError, SourceError
from ...catalog.geopackage import quote
from ...catalog.records import Dataset, Item, Scan
from ..geopackage_layer import Layer, read_features, read_layer
from ..limits import Limits
from ..probe import probe_all
from ..related_tables import (
    Relation,
    layer_names,
    media_key,
    media_relations,
    media_tables,
    read_links,
)
from ..scan_options import Attached, ScanOptions
from ..sqlite_source import is_sqlite, opened, table_columns

KIND = "geopackage"
IS_WHOLE = True

_NAME_COLUMNS = ("name", "filename", "file_name", "title")


matches = is_sqlite


def attached(path: Path) -> Attached:
    """Return the layers with related media, and the tables that hold or link them."""
    with opened(path) as connection:
        layer_names(path, connection)  # refuses what is no source
        layers = frozenset(relation.layer.lower() for relation in media_relations(connection))
        tables = media_tables(connection)
    return Attached(layers, tables)


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield one dataset per layer that has related media."""
    with opened(path) as connection:
        relations = media_relations(connection)
    for name in dict.fromkeys(relation.layer for relation in relations):
        if options.layer is None or name.lower() == options.layer.lower():
            yield _scan_layer(path, name, relations, options.limits_of())


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], bytes]]:
    """Fetch media by table and key."""
    with opened(Path(dataset.uri)) as connection:

        def fetch(item: Item) -> bytes:
            table, _, key = item.source_key.rpartition("/")
            column = media_key(connection, table)
            try:
                row = connection.execute(
                    f"SELECT data FROM {quote(table)} WHERE {quote(column)} = ?", (int(key),)
                ).fetchone()
            except sqlite3.OperationalError as error:
                raise ItemError("the media table is gone from its GeoPackage") from error
            if row is None or row[0] is None:
                raise ItemError("the media row is gone from its GeoPackage")
            return bytes(row[0])

        yield fetch


def _scan_layer(path: Path, name: str, every: list[Relation], limits: Limits) -> Scan:
    relations = [relation for relation in every if relation.layer == name]
    with opened(path) as connection:
        layer = read_layer(connection, name, relations[0].layer_key)
    dataset = Dataset(
        kind=KIND,
        uri=str(path),
        layer=layer.name,
        attachment_table=", ".join(dict.fromkeys(r.media for r in relations)),
        key_field=relations[0].layer_key,
        driver="GPKG",
        srs=layer.srs,
        geometry_type=layer.geometry_type,
        has_z=layer.has_z,
        columns=layer.columns,
        domains=layer.domains,
    )
    return Scan(
        dataset=dataset,
        features=read_features(path, layer),
        items=_items(path, layer, every, limits),
        elsewhere=_elsewhere(path, layer, every),
    )


def _items(path: Path, layer: Layer, every: list[Relation], limits: Limits) -> Iterator[Item]:
    """Yield the media rows that belong to a layer.

    Those that belong to no layer at all go with the first that has relations to their table.
    """
    with opened(path) as connection:
        yield from _read_items(connection, layer, every, limits)


def _elsewhere(path: Path, layer: Layer, every: list[Relation]) -> Iterator[tuple[str, str]]:
    """Yield the keys of media rows that other layers have, each with its layer."""
    with opened(path) as connection:
        for media, related in _related(layer, every).items():
            for key, owner in _others(connection, layer, related).items():
                yield f"{media}/{key}", owner


def _related(layer: Layer, every: list[Relation]) -> dict[str, list[Relation]]:
    """Return the relations of all layers to each media table of a layer."""
    tables = dict.fromkeys(relation.media for relation in every if relation.layer == layer.name)
    return {media: [each for each in every if each.media == media] for media in tables}


def _others(
    connection: sqlite3.Connection, layer: Layer, related: list[Relation]
) -> dict[int, str]:
    """Return the media rows that other layers have, and the layer; this one may have them too."""
    first = related[0]
    others: dict[int, str] = {}
    if first.layer != layer.name:
        query = f"SELECT {quote(first.media_key)} FROM {quote(first.media)}"
        others = {key: first.layer for (key,) in connection.execute(query)}
    for relation in related:
        if relation.layer != layer.name:
            rows = connection.execute(f"SELECT related_id FROM {quote(relation.mapping)}")
            others.update({key: relation.layer for (key,) in rows})
    return others


def _read_items(
    connection: sqlite3.Connection, layer: Layer, every: list[Relation], limits: Limits
) -> Iterator[Item]:
    for related in _related(layer, every).values():
        own = [relation for relation in related if relation.layer == layer.name]
        links = read_links(connection, layer, own)
        elsewhere = _others(connection, layer, related).keys() - links.keys()
        yield from probe_all(_media(connection, own[0], links, elsewhere), limits)


def _media(
    connection: sqlite3.Connection,
    relation: Relation,
    links: dict[int, list[str]],
    elsewhere: set[int],
) -> Iterator[tuple[Item, bytes | None]]:
    names = {c.name.lower(): c.name for c in table_columns(connection, relation.media)}
    label = next((names[name] for name in _NAME_COLUMNS if name in names), None)
    if "data" not in names:
        raise SourceError(f"media table {relation.media} has no column data")
    declared = quote(names["content_type"]) if "content_type" in names else "NULL"
    cursor = connection.execute(
        f"SELECT {quote(relation.media_key)}, {declared}, {quote(label) if label else 'NULL'},"
        f" {quote(names['data'])} FROM {quote(relation.media)} ORDER BY 1"
    )
    unseen = dict(links)
    for key, content_type, name, data in cursor:
        unseen.pop(key, None)
        if key in elsewhere:
            continue
        item = Item(
            kind="attachment",
            source_key=f"{relation.media}/{key}",
            name=str(name) if name else f"{relation.media} {key}",
            declared_type=str(content_type) if content_type else None,
            feature_keys=tuple(dict.fromkeys(links.get(key, ()))),
        )
        yield item, data if isinstance(data, bytes) else None
    for key, features in unseen.items():
        yield _lost(relation.media, key, features), None


def _lost(media: str, key: int, features: list[str]) -> Item:
    """Return the item of a link to a media row that is not there."""
    return Item(
        kind="attachment",
        source_key=f"{media}/{key}",
        name=f"{media} {key}",
        declared_type="image/*",
        feature_keys=tuple(dict.fromkeys(features)),
        status="missing",
        reason=f"{media} has no row {key}, which a feature is linked to",
    )
