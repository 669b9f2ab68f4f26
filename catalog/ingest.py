"""Writing a scan into the catalog: the dataset and its features.

Rows that are as the scan has them are not written again: a scan that finds nothing new leaves
the file as it is.
"""

import base64
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime

from . import geometry, geopackage, rtree
from .batches import Known, batches, lookup
from .ingest_items import add_items
from .positions import add_points
from .records import Column, Dataset, Feature, Scan, SqlValue

_BYTES = "base64"
_JSON = json.JSONEncoder(ensure_ascii=False)
_ADD = (
    "INSERT INTO features (geom, global_id, attributes, source_geometry, dataset_id, source_fid)"
    " VALUES (?,?,?,?,?,?)"
)
_CHANGE = (
    "UPDATE features SET geom=?, global_id=?, attributes=?, source_geometry=?"
    " WHERE fid=? AND (geom, global_id, attributes, source_geometry) IS NOT (?,?,?,?)"
)
_FIDS = (
    "SELECT f.source_fid, f.fid FROM json_each(?1) k CROSS JOIN features f"
    " ON f.dataset_id = ?2 AND f.source_fid = k.value"
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
    before = connection.total_changes
    dataset = _add_dataset(connection, scan.dataset)
    _add_features(connection, dataset, scan.features)
    add_items(connection, dataset, scan)
    if scan.points:
        dataset = add_points(connection, dataset)
    if connection.total_changes > before:
        connection.execute("UPDATE datasets SET added_at = ? WHERE id = ?", (now(), dataset.id))
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
    }
    names, marks = ", ".join(values), _marks(values)
    known = connection.execute(
        "SELECT id FROM datasets WHERE uri = ? AND layer = ?", (dataset.uri, dataset.layer)
    ).fetchone()
    if known is not None:
        connection.execute(
            f"UPDATE datasets SET ({names}) = ({marks}) WHERE id = ? AND ({names}) IS NOT ({marks})",
            (*values.values(), known[0], *values.values()),
        )
        return replace(dataset, id=known[0])
    row = connection.execute(
        f"INSERT INTO datasets (added_at, uri, layer, {names}) VALUES (?, ?, ?, {marks})"
        " RETURNING id",
        (now(), dataset.uri, dataset.layer, *values.values()),
    ).fetchone()
    return replace(dataset, id=row[0])


def _domains(dataset: Dataset) -> dict[str, object]:
    return {"domains": {k: dict(v) for k, v in dataset.domains.items()}} if dataset.domains else {}


def _add_features(
    connection: sqlite3.Connection, dataset: Dataset, features: Iterable[Feature]
) -> None:
    known = Known(connection, "features", "fid", dataset.id)
    with nullcontext() if known else rtree.deferred(connection, "features"):
        _write_features(connection, dataset, features, known)
    connection.executemany("DELETE FROM features WHERE fid = ?", [(n,) for n in known.gone()])


def _write_features(
    connection: sqlite3.Connection, dataset: Dataset, features: Iterable[Feature], known: Known
) -> None:
    rows = ((feature, _to_json(feature.attributes)) for feature in features)
    for batch in batches(rows, key=lambda row: row[0].source_fid, size=_size):
        shapes = geometry.encode_all([feature.location for feature, _ in batch], 4326)
        ids = {}
        if known:
            keys = [feature.source_fid for feature, _ in batch]
            ids = dict(lookup(connection, _FIDS, keys, dataset.id))
        new, old = [], []
        for (feature, attributes), blob in zip(batch, shapes, strict=True):
            values = (blob, feature.global_id, attributes, feature.geometry)
            fid = ids.get(feature.source_fid)
            if known.find(fid):
                old.append((*values, fid, *values))
            else:
                new.append((*values, dataset.id, feature.source_fid))
        connection.executemany(_CHANGE, old)
        connection.executemany(_ADD, new)


def _size(row: tuple[Feature, str]) -> int:
    feature, attributes = row
    return len(attributes) + len(feature.geometry or b"") + len(feature.location or b"")


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _to_json(attributes: Mapping[str, SqlValue]) -> str:
    values = {
        name: {_BYTES: base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in attributes.items()
    }
    return _JSON.encode(values)


def from_json(text: str, columns: Iterable[Column]) -> list[SqlValue]:
    """Return the attribute values of a feature in the order of ``columns``."""
    values = json.loads(text)
    found = [values.get(column.name) for column in columns]
    return [base64.b64decode(v[_BYTES]) if isinstance(v, dict) else v for v in found]
