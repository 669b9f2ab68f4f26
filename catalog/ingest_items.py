"""Writing the items of a scan into the catalog, and the links between them and features."""

import json
import sqlite3
from array import array
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from . import geometry, geopackage, rtree
from .batches import Known, batches, lookup
from .records import Dataset, Item, Scan, Srs

_GONE = "no longer in "
"""How the reason of an item begins that an earlier scan found and the last one did not."""
LEFT = f"{_GONE}the source"
_READ_COLUMNS = (
    *("kind", "name", "status", "reason", "declared_type", "content_type", "byte_size", "sha256"),
    *("width", "height", "bands", "dtype", "orientation", "taken_at", "lon", "lat"),
    *("direction", "keywords", "global_id"),
)
_COLUMNS = (*_READ_COLUMNS, "srs_id", "transform")
_READ = attrgetter(*_READ_COLUMNS)
_NAMES, _MARKS = ", ".join(_COLUMNS), ", ".join("?" for _ in _COLUMNS)
_ADD = f"INSERT INTO items (id, dataset_id, source_key, {_NAMES}) VALUES (?, ?, ?, {_MARKS})"
_CHANGE = f"UPDATE items SET ({_NAMES}) = ({_MARKS}) WHERE id = ? AND ({_NAMES}) IS NOT ({_MARKS})"
_IDS = (
    "SELECT i.source_key, i.id FROM json_each(?1) k CROSS JOIN items i"
    " ON i.dataset_id = ?2 AND i.source_key = k.value"
)
_FIRST_OF_SAME_BYTES = """
SELECT nullif(iif(i.byte_size, (SELECT min(j.id) FROM items j WHERE j.sha256 = i.sha256), NULL), i.id)
    AS first, i.id, i.duplicate_of
FROM json_each(?1) k CROSS JOIN items i ON i.id = k.value
"""
_FOOTPRINTS = (
    "SELECT p.item_id, p.geom, p.name FROM json_each(?1) k CROSS JOIN footprints p"
    " ON p.item_id = k.value"
)
_LINKS = (
    "SELECT l.related_id, l.base_id, l.ordinal FROM json_each(?1) k CROSS JOIN features_items l"
    " ON l.related_id = k.value ORDER BY l.id"
)


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
    known = Known(connection, "items", "id", dataset.id)
    with nullcontext() if known else rtree.deferred(connection, "footprints"):
        _write_items(connection, dataset, scan, known)
    if gone := known.gone():
        _remember(connection, gone, dict(scan.elsewhere))


def _write_items(
    connection: sqlite3.Connection, dataset: Dataset, scan: Scan, known: Known
) -> None:
    srs_ids: dict[Srs, int] = {}
    ordinals = _Ordinals(connection, dataset)
    for batch in batches(scan.items, key=attrgetter("source_key")):
        owners = _owners(connection, dataset, batch, scan)
        if dataset.is_feature_class:
            pairs = zip(batch, owners, strict=True)
            batch = [_with_owners(item, each, dataset) for item, each in pairs]
        ids, old = _add_rows(connection, dataset, batch, srs_ids)
        for item_id in old:
            known.find(item_id)
        _name_copies(connection, ids)
        _add_footprints(connection, ids, batch, old)
        _link(
            connection, [(n, ordinals.of(each)) for n, each in zip(ids, owners, strict=True)], old
        )


def _remember(
    connection: sqlite3.Connection, gone: Sequence[int], elsewhere: Mapping[str, str]
) -> None:
    """Keep items that the layer no longer has, without links and with a reason."""
    for item_id in gone:
        (key,) = connection.execute(
            "SELECT source_key FROM items WHERE id = ?", (item_id,)
        ).fetchone()
        layer = elsewhere.get(key)
        reason = LEFT if layer is None else f"{_GONE}this layer: it belongs to {layer} now"
        connection.execute("DELETE FROM features_items WHERE related_id = ?", (item_id,))
        connection.execute(
            "UPDATE items SET status = 'missing', reason = ? WHERE id = ? AND reason IS NOT ?",
            (reason, item_id, reason),
        )


def _add_rows(
    connection: sqlite3.Connection,
    dataset: Dataset,
    batch: Sequence[Item],
    srs_ids: dict[Srs, int],
) -> tuple[list[int], set[int]]:
    """Write the rows of items; their ids in the order of the batch, and those that were there."""
    known = dict(lookup(connection, _IDS, [item.source_key for item in batch], dataset.id))
    new: list[tuple[Any, ...]] = []
    old: list[tuple[Any, ...]] = []
    ids = []
    following = _next_id(connection)
    for item in batch:
        if item.srs is not None and item.srs not in srs_ids:
            srs_ids[item.srs] = geopackage.add_srs(connection, item.srs)
        transform = json.dumps(item.transform) if item.transform else None
        values = (*_READ(item), item.srs and srs_ids[item.srs], transform)
        item_id = known.get(item.source_key)
        if item_id is None:
            item_id = following + len(new)
            new.append((item_id, dataset.id, item.source_key, *values))
        else:
            old.append((*values, item_id, *values))
        ids.append(item_id)
    connection.executemany(_CHANGE, old)
    connection.executemany(_ADD, new)
    return ids, set(known.values())


def _next_id(connection: sqlite3.Connection) -> int:
    """Return the number that the next item gets: none is ever given again."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'items'").fetchone()
    return 1 if row is None else int(row[0]) + 1


def _name_copies(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Let items name the first item with the same bytes, of those before them."""
    connection.executemany(
        "UPDATE items SET duplicate_of = ? WHERE id = ?",
        [
            (first, item_id)
            for first, item_id, named in lookup(connection, _FIRST_OF_SAME_BYTES, ids)
            if first != named
        ],
    )


def _add_footprints(
    connection: sqlite3.Connection, ids: Sequence[int], batch: Sequence[Item], old: set[int]
) -> None:
    blobs = geometry.encode_all([item.footprint for item in batch], 4326)
    wanted = {
        item_id: (blob, item.name)
        for item_id, item, blob in zip(ids, batch, blobs, strict=True)
        if item.footprint
    }
    known = {n: tuple(row) for n, *row in lookup(connection, _FOOTPRINTS, list(old))} if old else {}
    connection.executemany(
        "DELETE FROM footprints WHERE item_id = ?",
        [(item_id,) for item_id, row in known.items() if wanted.get(item_id) != row],
    )
    connection.executemany(
        "INSERT INTO footprints (geom, name, item_id) VALUES (?,?,?)",
        [(*row, item_id) for item_id, row in wanted.items() if known.get(item_id) != row],
    )


def _owners(
    connection: sqlite3.Connection, dataset: Dataset, batch: Sequence[Item], scan: Scan
) -> list[_Owners]:
    keys = list({key: None for item in batch for key in item.feature_keys})
    fids: dict[str, int] = {}
    if keys:
        sql = (
            "SELECT k.value, f.fid FROM json_each(?1) k CROSS JOIN features f"
            f" ON f.dataset_id = ?2 AND f.{scan.links_by} = k.value"
        )
        for key, fid in lookup(connection, sql, keys, dataset.id):
            fids.setdefault(key, fid)
    return [
        _Owners(
            tuple({fids[key]: None for key in item.feature_keys if key in fids}),
            [key for key in item.feature_keys if key not in fids],
        )
        for item in batch
    ]


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


class _Ordinals:
    """How many images each feature of a dataset has so far; four bytes for each."""

    def __init__(self, connection: sqlite3.Connection, dataset: Dataset) -> None:
        self._first, last = connection.execute(
            "SELECT coalesce(min(fid), 1), coalesce(max(fid), 0) FROM features WHERE dataset_id = ?",
            (dataset.id,),
        ).fetchone()
        self._counts = array("I", bytes(4 * (last - self._first + 1)))

    def of(self, owners: _Owners) -> list[tuple[int, int]]:
        """Return the features of one more image, each with its place among their images."""
        placed = []
        for fid in owners.fids:
            placed.append((fid, self._counts[fid - self._first]))
            self._counts[fid - self._first] += 1
        return placed


def _link(
    connection: sqlite3.Connection,
    wanted: Sequence[tuple[int, list[tuple[int, int]]]],
    old: set[int],
) -> None:
    """Link images to their features; links that are there already stay.

    Args:
        connection: Of the catalog.
        wanted: Items, each with its features and its place among the images of each.
        old: The items that the catalog had before.
    """
    known: dict[int, list[tuple[int, int]]] = {}
    for item_id, fid, ordinal in lookup(connection, _LINKS, list(old)) if old else ():
        known.setdefault(item_id, []).append((fid, ordinal))
    changed = [(n, placed) for n, placed in wanted if placed != known.get(n, [])]
    connection.executemany(
        "DELETE FROM features_items WHERE related_id = ?",
        [(item_id,) for item_id, _ in changed if item_id in known],
    )
    connection.executemany(
        "INSERT INTO features_items (base_id, related_id, ordinal) VALUES (?, ?, ?)",
        [(fid, item_id, ordinal) for item_id, placed in changed for fid, ordinal in placed],
    )
