"""Verifications: which images may be compared, and what was found."""

import json
import sqlite3
from collections.abc import Sequence

from .ingest import now
from .records import Item, Verification
from .runs import ITEM_COLUMNS

_COLUMNS = tuple(Verification.__dataclass_fields__)


def classified(
    connection: sqlite3.Connection, run_id: int, dataset_ids: Sequence[int]
) -> list[tuple[Item, str, bool]]:
    """Return the items that a run has classified as they are now, in order of id.

    Returns:
        Of each the item, the path of its class raster, and whether it has a place on the ground.
        Of photos that share a class raster it is the first.
    """
    rows = connection.execute(
        f"SELECT {ITEM_COLUMNS}, o.raster_path, i.transform IS NOT NULL, min(i.id) FROM items i"
        " JOIN outputs o ON o.item_id = i.id AND o.run_id = :run AND o.item_sha256 IS i.sha256"
        f" WHERE i.status = 'ready' AND o.status = 'done'"
        " AND i.dataset_id IN (SELECT value FROM json_each(:datasets))"
        " GROUP BY o.raster_path ORDER BY i.id",
        {"run": run_id, "datasets": json.dumps(list(dataset_ids))},
    )
    names = [column[0] for column in rows.description[:-3]]
    return [(Item(**dict(zip(names, row, strict=False))), row[-3], bool(row[-2])) for row in rows]


def write(connection: sqlite3.Connection, run_id: int, found: Verification) -> None:
    """Write what was found."""
    connection.execute(
        f"INSERT INTO verifications (run_id, verified_at, {', '.join(_COLUMNS)})"
        f" VALUES (?, ?, {', '.join('?' for _ in _COLUMNS)})",
        (run_id, now(), *(getattr(found, name) for name in _COLUMNS)),
    )
