"""Writing a scan into the catalog: dataset, features, items and the links between them."""

import base64
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime

from . import geometry, geopackage
from .positions import add_points
from .records import Column, Dataset, Feature, Item, Scan, SqlValue

GONE = "no longer in the source"
"""Reason of an item that an earlier scan found and the last one did not."""
_BYTES = "base64"
_READ_COLUMNS = (
    *("kind", "name", "status", "reason", "declared_type", "content_type", "byte_size", "sha256"),
    *("width", "height", "bands", "dtype", "orientation", "taken_at", "lon", "lat"),
    "direction",
)
_ITEM_COLUMNS = (*_READ_COLUMNS, "srs_id", "transform", "duplicate_of")
_ADD_ITEM = (
    f"INSERT INTO items (dataset_id, source_key, {', '.join(_ITEM_COLUMNS)})"
    f" VALUES (?, ?, {', '.join('?' for _ in _ITEM_COLUMNS)})"
    " ON CONFLICT (dataset_id, source_key) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _ITEM_COLUMNS)
    + " RETURNING id"
)


def now() -> str:
    """The time in UTC as GeoPackage writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def add(connection: sqlite3.Connection, scan: Scan) -> Dataset:
    """Write a scan; rows that exist are updated and keep their ids.

    Nothing is read of a source that has not changed since it was scanned.
    """
    known = _unchanged(connection, scan.dataset)
    if known is not None:
        return known
    dataset = _add_dataset(connection, scan.dataset)
    _add_features(connection, dataset, scan.features)
    _add_items(connection, dataset, scan)
    if scan.points:
        dataset = add_points(connection, dataset)
    geopackage.refresh_contents(connection, ("features", "footprints"))
    return dataset


def _unchanged(connection: sqlite3.Connection, dataset: Dataset) -> Dataset | None:
    """Return the dataset as the catalog has it, None where it is new or may have changed."""
    row = connection.execute(
        "SELECT id, geometry_type, columns FROM datasets WHERE uri = ? AND layer = ?"
        " AND fingerprint = ?",
        (dataset.uri, dataset.layer, dataset.fingerprint),
    ).fetchone()
    if row is None:
        return None
    columns = tuple(Column(**column) for column in json.loads(row[2]))
    return replace(dataset, id=row[0], geometry_type=row[1], columns=columns)


def _add_dataset(connection: sqlite3.Connection, dataset: Dataset) -> Dataset:
    srs_id = geopackage.add_srs(connection, dataset.srs)
    values = {
        "kind": dataset.kind,
        "attachment_table": dataset.attachment_table,
        "key_field": dataset.key_field,
        "driver": dataset.driver,
        "srs_id": srs_id,
        "geometry_type": dataset.geometry_type,
        "has_z": dataset.has_z,
        "columns": json.dumps([asdict(column) for column in dataset.columns]),
        "options": json.dumps({**dataset.options, **_domains(dataset)}),
        "fingerprint": dataset.fingerprint,
        "added_at": now(),
    }
    names = ", ".join(values)
    updates = ", ".join(f"{name} = excluded.{name}" for name in values)
    row = connection.execute(
        f"INSERT INTO datasets (uri, layer, {names}) VALUES (?, ?, {_marks(values)})"
        f" ON CONFLICT (uri, layer) DO UPDATE SET {updates} RETURNING id",
        (dataset.uri, dataset.layer, *values.values()),
    ).fetchone()
    return replace(dataset, id=row[0])


def _domains(dataset: Dataset) -> dict[str, object]:
    return {"domains": {k: dict(v) for k, v in dataset.domains.items()}} if dataset.domains else {}


def _add_features(
    connection: sqlite3.Connection, dataset: Dataset, features: Iterable[Feature]
) -> None:
    known = dict(
        connection.execute(
            "SELECT source_fid, fid FROM features WHERE dataset_id = ?", (dataset.id,)
        ).fetchall()
    )
    for feature in features:
        blob = feature.location and geometry.encode(feature.location, 4326)
        values = (blob, feature.global_id, _to_json(feature.attributes), feature.geometry)
        fid = known.pop(feature.source_fid, None)
        if fid is None:
            connection.execute(
                "INSERT INTO features (geom, global_id, attributes, source_geometry, dataset_id,"
                " source_fid) VALUES (?,?,?,?,?,?)",
                (*values, dataset.id, feature.source_fid),
            )
        else:
            connection.execute(
                "UPDATE features SET geom=?, global_id=?, attributes=?, source_geometry=?"
                " WHERE fid=?",
                (*values, fid),
            )
    gone = [(fid,) for fid in known.values()]
    connection.executemany("DELETE FROM features WHERE fid = ?", gone)


def _add_items(connection: sqlite3.Connection, dataset: Dataset, scan: Scan) -> None:
    connection.execute(
        "DELETE FROM features_items WHERE related_id IN"
        " (SELECT id FROM items WHERE dataset_id = ?)",
        (dataset.id,),
    )
    unseen = {
        row[0]
        for row in connection.execute("SELECT id FROM items WHERE dataset_id = ?", (dataset.id,))
    }
    ordinals: Counter[int] = Counter()
    for item in scan.items:
        item_id = _add_item(connection, dataset, item)
        unseen.discard(item_id)
        _add_footprint(connection, item_id, item)
        if dataset.is_feature_class:
            _link(connection, dataset, item, item_id, scan, ordinals)
    connection.executemany(
        "UPDATE items SET status = 'missing', reason = ? WHERE id = ?",
        [(GONE, item_id) for item_id in unseen],
    )


def _add_item(connection: sqlite3.Connection, dataset: Dataset, item: Item) -> int:
    values = [getattr(item, name) for name in _READ_COLUMNS]
    srs_id = geopackage.add_srs(connection, item.srs) if item.srs else None
    transform = json.dumps(item.transform) if item.transform else None
    row = connection.execute(
        _ADD_ITEM, (dataset.id, item.source_key, *values, srs_id, transform, None)
    ).fetchone()
    if item.sha256 and item.byte_size:
        connection.execute(
            "UPDATE items SET duplicate_of = (SELECT min(id) FROM items WHERE sha256 = :hash"
            " AND id < :id) WHERE id = :id",
            {"hash": item.sha256, "id": row[0]},
        )
    return int(row[0])


def _add_footprint(connection: sqlite3.Connection, item_id: int, item: Item) -> None:
    connection.execute("DELETE FROM footprints WHERE item_id = ?", (item_id,))
    if item.footprint:
        connection.execute(
            "INSERT INTO footprints (geom, item_id, name) VALUES (?,?,?)",
            (geometry.encode(item.footprint, 4326), item_id, item.name),
        )


def _link(
    connection: sqlite3.Connection,
    dataset: Dataset,
    item: Item,
    item_id: int,
    scan: Scan,
    ordinals: Counter[int],
) -> None:
    """Link an image to its features; one whose features do not exist is kept and says so."""
    lost = []
    for key in item.feature_keys:
        feature = connection.execute(
            f"SELECT fid FROM features WHERE dataset_id = ? AND {scan.links_by} = ?",
            (dataset.id, key),
        ).fetchone()
        if feature is None:
            lost.append(key)
            continue
        connection.execute(
            "INSERT OR IGNORE INTO features_items (base_id, related_id, ordinal) VALUES (?, ?, ?)",
            (feature[0], item_id, ordinals[feature[0]]),
        )
        ordinals[feature[0]] += 1
    if not lost and item.feature_keys:
        return
    status, reason = "skipped", "not linked to any feature"
    if lost:
        status, reason = "missing", f"orphan attachment: no feature has {dataset.key_field} "
        reason += ", ".join(lost)
        if len(lost) < len(item.feature_keys):
            status = "ready"  # it has other features; the reason tells of the lost ones
    connection.execute(
        "UPDATE items SET status = ?, reason = ? WHERE id = ? AND status = 'ready'",
        (status, reason, item_id),
    )


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _to_json(attributes: Mapping[str, SqlValue]) -> str:
    values = {
        name: {_BYTES: base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in attributes.items()
    }
    return json.dumps(values, ensure_ascii=False)


def from_json(text: str, columns: Iterable[Column]) -> list[SqlValue]:
    """Return the attribute values of a feature in the order of ``columns``."""
    values = json.loads(text)
    found = [values.get(column.name) for column in columns]
    return [base64.b64decode(v[_BYTES]) if isinstance(v, dict) else v for v in found]
