"""Writing a scan into the catalog: the dataset and its features.

Rows that are as the scan has them are not written again: a scan that finds nothing new leaves
the file as it is.
"""

import base64
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime

from . import geometry, geopackage
from .ingest_items import add_items
from .positions import add_points
from .records import Column, Dataset, Feature, Scan, SqlValue

_BYTES = "base64"


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
                " WHERE fid=? AND (geom, global_id, attributes, source_geometry) IS NOT (?,?,?,?)",
                (*values, fid, *values),
            )
    gone = [(fid,) for fid in known.values()]
    connection.executemany("DELETE FROM features WHERE fid = ?", gone)


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
