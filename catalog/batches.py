"""Rows of a scan in batches, so that what the catalog has of them is asked for once per batch."""

import json
import sqlite3
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

_ROWS = 500
_BYTES = 4 << 20


def batches(
    rows: Iterable[T], *, key: Callable[[T], Hashable], size: Callable[[T], int] = lambda _: 0
) -> Iterator[list[T]]:
    """Yield rows in groups; no two of a group have the same key.

    Args:
        rows: Taken as they are needed.
        key: What names a row.
        size: Bytes of a row, where they may be many: a group has few of these.
    """
    batch: list[T] = []
    keys: set[Hashable] = set()
    held = 0
    for row in rows:
        if len(batch) == _ROWS or held > _BYTES or key(row) in keys:
            yield batch
            batch, keys, held = [], set(), 0
        batch.append(row)
        keys.add(key(row))
        held += size(row)
    if batch:
        yield batch


def lookup(
    connection: sqlite3.Connection, sql: str, values: Sequence[object], *parameters: object
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that joins ``json_each(?1)``: the values of a batch.

    Such a join says ``CROSS JOIN``, so that SQLite looks each value up and never reads the
    whole of a table for them.
    """
    return connection.execute(sql, (json.dumps(values), *parameters)).fetchall()


class Known:
    """The rows that a dataset had before a scan, and which of them the scan has found.

    Takes a byte for each.
    """

    def __init__(
        self, connection: sqlite3.Connection, table: str, row_id: str, dataset_id: int | None
    ) -> None:
        """Ask the catalog.

        Args:
            connection: Of the catalog.
            table: One with a column ``dataset_id``.
            row_id: Its integer key.
            dataset_id: The dataset.
        """
        first, last, count = connection.execute(
            f"SELECT coalesce(min({row_id}), 1), coalesce(max({row_id}), 0), count(*)"
            f" FROM {table} WHERE dataset_id = ?",
            (dataset_id,),
        ).fetchone()
        self._all = f"SELECT {row_id} FROM {table} WHERE dataset_id = ? AND {row_id} <= ?"
        self._given = (dataset_id, last)
        self._connection = connection
        self._first = first
        self._count = int(count)
        self._found = bytearray(last - first + 1)

    def __bool__(self) -> bool:
        """Return whether there were any."""
        return self._count > 0

    def find(self, row_id: int | None) -> bool:
        """Note that the scan has found a row; False where it is none of before, or found twice."""
        place = -1 if row_id is None else row_id - self._first
        if not 0 <= place < len(self._found) or self._found[place]:
            return False
        self._found[place] = 1
        return True

    def gone(self) -> list[int]:
        """Return the rows that the scan has not found."""
        if self._found.count(1) == self._count:
            return []
        rows = self._connection.execute(self._all, self._given)
        return [row_id for (row_id,) in rows if not self._found[row_id - self._first]]
