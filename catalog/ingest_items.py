"""Writing the items of a scan into the catalog, and the links between them and features."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from . import geometry, geopackage
from .records import Dataset, Item, Scan

_GONE = "no longer in "
"""How the reason of an item begins that an earlier scan found and the last one did not."""
LEFT = f"{_GONE}the source"
_READ_COLUMNS = (
    *("kind", "name", "status", "reason", "declared_type", "content_type", "byte_size", "sha256"),
    *("width", "height", "bands", "dtype", "orientation", "taken_at", "lon", "lat"),
    *("direction", "keywords", "global_id"),
)
_COLUMNS = (*_READ_COLUMNS, "srs_id", "transform", "duplicate_of")
_NAMES, _MARKS = ", ".join(_COLUMNS), ", ".join("?" for _ in _COLUMNS)
_ADD = f"INSERT INTO items (dataset_id, source_key, {_NAMES}) VALUES (?, ?, {_MARKS}) RETURNING id"
_CHANGE = f"UPDATE items SET ({_NAMES}) = ({_MARKS}) WHERE id = ? AND ({_NAMES}) IS NOT ({_MARKS})"


def is_gone(column: str) -> str:
    """Return SQL that tells by an item's reason whether it is only remembered.

    Args:
        column: The reason, as the statement calls it.
    """
    return f"(coalesce({column}, '') GLOB '{_GONE}*')"


class _Owners(NamedTuple):
    """What an item belongs to."""

    fids: Sequence[int]
    lost: Sequence[str]
    """Keys of features that there are not."""


def add_items(connection: sqlite3.Connection, dataset: Dataset, scan: Scan) -> None:
    """Write the items of a scan, each with its links; those that it has not stay, as gone."""
    unseen = {
        row[0]: row[1]
        for row in connection.execute(
            "SELECT id, source_key FROM items WHERE dataset_id = ?", (dataset.id,)
        )
    }
    ordinals: Counter[int] = Counter()
    for item in scan.items:
        owners = _owners(connection, dataset, item, scan)
        if dataset.is_feature_class:
            item = _with_owners(item, owners, dataset)
        item_id = _add_item(connection, dataset, item)
        unseen.pop(item_id, None)
        _add_footprint(connection, item_id, item)
        _link(connection, item_id, owners, ordinals)
    if unseen:
        _remember(connection, unseen, dict(scan.elsewhere))


def _remember(
    connection: sqlite3.Connection, gone: Mapping[int, str], elsewhere: Mapping[str, str]
) -> None:
    """Keep items that the layer no longer has, without links and with a reason."""
    for item_id, key in gone.items():
        layer = elsewhere.get(key)
        reason = LEFT if layer is None else f"{_GONE}this layer: it belongs to {layer} now"
        connection.execute("DELETE FROM features_items WHERE related_id = ?", (item_id,))
        connection.execute(
            "UPDATE items SET status = 'missing', reason = ? WHERE id = ? AND reason IS NOT ?",
            (reason, item_id, reason),
        )


def _add_item(connection: sqlite3.Connection, dataset: Dataset, item: Item) -> int:
    values = [getattr(item, name) for name in _READ_COLUMNS]
    values.append(geopackage.add_srs(connection, item.srs) if item.srs else None)
    values.append(json.dumps(item.transform) if item.transform else None)
    known = connection.execute(
        "SELECT id FROM items WHERE dataset_id = ? AND source_key = ?",
        (dataset.id, item.source_key),
    ).fetchone()
    values.append(_copy_of(connection, item, known and known[0]))
    if known is not None:
        connection.execute(_CHANGE, (*values, known[0], *values))
        return int(known[0])
    row = connection.execute(_ADD, (dataset.id, item.source_key, *values)).fetchone()
    return int(row[0])


def _copy_of(connection: sqlite3.Connection, item: Item, item_id: int | None) -> int | None:
    """Return the first item with the same bytes, of those before this one."""
    if not (item.sha256 and item.byte_size):
        return None
    row = connection.execute(
        "SELECT min(id) FROM items WHERE sha256 = :hash AND (:id IS NULL OR id < :id)",
        {"hash": item.sha256, "id": item_id},
    ).fetchone()
    first: int | None = row[0]
    return first


def _add_footprint(connection: sqlite3.Connection, item_id: int, item: Item) -> None:
    wanted = (geometry.encode(item.footprint, 4326), item.name) if item.footprint else None
    known = connection.execute(
        "SELECT geom, name FROM footprints WHERE item_id = ?", (item_id,)
    ).fetchone()
    if known == wanted:
        return
    connection.execute("DELETE FROM footprints WHERE item_id = ?", (item_id,))
    if wanted:
        connection.execute(
            "INSERT INTO footprints (geom, name, item_id) VALUES (?,?,?)", (*wanted, item_id)
        )


def _owners(connection: sqlite3.Connection, dataset: Dataset, item: Item, scan: Scan) -> _Owners:
    fids: dict[int, None] = {}
    lost = []
    for key in item.feature_keys:
        feature = connection.execute(
            f"SELECT fid FROM features WHERE dataset_id = ? AND {scan.links_by} = ?",
            (dataset.id, key),
        ).fetchone()
        if feature is None:
            lost.append(key)
        else:
            fids[feature[0]] = None
    return _Owners(tuple(fids), lost)


def _with_owners(item: Item, owners: _Owners, dataset: Dataset) -> Item:
    """Return a usable image as what it is where its features do not exist, and saying so."""
    if item.status != "ready" or (owners.fids and not owners.lost):
        return item
    if not owners.lost:
        return replace(item, status="skipped", reason="not linked to any feature")
    reason = f"orphan attachment: no feature has {dataset.key_field} {', '.join(owners.lost)}"
    if len(owners.lost) < len(item.feature_keys):
        return replace(item, reason=reason)
    return replace(item, status="missing", reason=reason)


def _link(
    connection: sqlite3.Connection, item_id: int, owners: _Owners, ordinals: Counter[int]
) -> None:
    """Link an image to its features; links that are there already stay."""
    wanted = [(fid, ordinals[fid]) for fid in owners.fids]
    ordinals.update(owners.fids)
    known = connection.execute(
        "SELECT base_id, ordinal FROM features_items WHERE related_id = ? ORDER BY id", (item_id,)
    ).fetchall()
    if known == wanted:
        return
    connection.execute("DELETE FROM features_items WHERE related_id = ?", (item_id,))
    connection.executemany(
        "INSERT INTO features_items (base_id, related_id, ordinal) VALUES (?, ?, ?)",
        [(fid, item_id, ordinal) for fid, ordinal in wanted],
    )
