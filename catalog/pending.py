"""What a run has not classified yet, read page by page."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from .query import read_only
from .records import Item
from .runs import (
    ITEM_COLUMNS,
    OF_DATASETS,
    OTHER_OF_SAME_CONTENT,
    WITHOUT_OUTPUT,
    asked_for,
    finish,
)

_PENDING = (
    f"i.status = 'ready' AND +{OF_DATASETS} AND {WITHOUT_OUTPUT} AND NOT EXISTS"
    f" (SELECT 1 FROM items j WHERE {OTHER_OF_SAME_CONTENT} AND j.id < i.id"
    "  AND j.status = 'ready' AND j.dataset_id IN (SELECT value FROM json_each(:datasets)))"
)
"""Ready items whose present content has no output in a run. Of photos with the same bytes it is the
first; the others get its output, see :mod:`.shared_outputs`. With the index of datasets (hence the
plus) each page would sort all items that follow."""
_PAGE = 1000


def items(path: Path, run_id: int, dataset_ids: Sequence[int]) -> Iterator[Item]:
    """Yield what is pending, in order of id.

    Each page is read by a connection of its own: outputs can be recorded meanwhile, any thread
    may ask, and few items are in memory.

    Args:
        path: The catalog.
        run_id: The run.
        dataset_ids: Of these datasets.
    """
    after = 0
    while True:
        with read_only(path) as connection:
            page = _page(connection, run_id, dataset_ids, after)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id or 0


def _page(
    connection: sqlite3.Connection, run_id: int, dataset_ids: Sequence[int], after: int
) -> list[Item]:
    cursor = connection.execute(
        f"SELECT {ITEM_COLUMNS} FROM items i WHERE i.id > :after AND {_PENDING}"
        f" ORDER BY i.id LIMIT {_PAGE}",
        {"run": run_id, "datasets": json.dumps(list(dataset_ids)), "after": after},
    )
    names = [column[0] for column in cursor.description]
    return [Item(**dict(zip(names, row, strict=True))) for row in cursor]


def size(
    connection: sqlite3.Connection, run_id: int, dataset_ids: Sequence[int]
) -> tuple[int, int]:
    """Return how many items are pending, and their pixels."""
    row = connection.execute(
        f"SELECT count(*), coalesce(sum(i.width * i.height), 0) FROM items i WHERE {_PENDING}",
        {"run": run_id, "datasets": json.dumps(list(dataset_ids))},
    ).fetchone()
    return int(row[0]), int(row[1])


def end_run(connection: sqlite3.Connection, run_id: int, status: str) -> int:
    """Close a run; it is finished where nothing is pending of all inputs that it was asked for.

    Returns:
        How many images keep it from being finished.
    """
    is_open = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM runs WHERE id = ? AND status != 'finished')", (run_id,)
    ).fetchone()[0]
    left = 0
    if status == "finished" and is_open:
        left = size(connection, run_id, asked_for(connection, run_id))[0]
    finish(connection, run_id, "stopped" if left else status)
    return left
