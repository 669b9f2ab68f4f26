"""R-trees filled at once: many rows take a tenth of what they take one by one.

Nodes are packed as Leutenegger, López and Edgington describe it (Sort-Tile-Recursive, 1997), in
the form that https://sqlite.org/rtree.html section 7.1 gives for them.
"""

import math
import sqlite3
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from .geometry import bounds, triggers_held
from .geopackage import quote

_ROOT = 1
_CELL = 24
"""Bytes: a number, and four floats."""
_TOWARDS, _AWAY = 1 - 2**-23, 1 + 2**-23
"""As SQLite rounds so that a box of floats contains one of doubles."""
_OUTERMOST: tuple[Callable[[Sequence[float]], float], ...] = (min, max, min, max)


class _Boxes(NamedTuple):
    """Numbers of rows or nodes, and their boxes."""

    ids: "array[int]"
    minx: "array[float]"
    maxx: "array[float]"
    miny: "array[float]"
    maxy: "array[float]"


@contextmanager
def deferred(connection: sqlite3.Connection, table: str) -> Iterator[None]:
    """Let rows be inserted into a feature table before its R-tree is filled.

    Rows that were there before must not be changed meanwhile.

    Args:
        connection: In a transaction, which is not to be committed where this fails.
        table: One with ``fid``, ``geom`` and an R-tree.
    """
    sql = f"SELECT coalesce(max(fid), 0) FROM {quote(table)}"
    (last,) = connection.execute(sql).fetchone()
    with triggers_held(connection):
        yield
    _index(connection, table, last)


def _index(connection: sqlite3.Connection, table: str, last: int) -> None:
    """Bring rows after one into the R-tree: all anew where they are most of its rows."""
    name = f"rtree_{table}_geom"
    (before,) = connection.execute(f"SELECT count(*) FROM {quote(f'{name}_rowid')}").fetchone()
    boxes = _read(connection, table, last)
    if not boxes.ids:
        return None
    if before > len(boxes.ids):
        return _insert(connection, name, boxes)
    if before:
        boxes = _read(connection, table, 0)
    with suppress(sqlite3.OperationalError):  # some builds of SQLite keep these tables to it
        return _fill(connection, name, boxes)
    return _insert(connection, name, boxes)


def _read(connection: sqlite3.Connection, table: str, last: int) -> _Boxes:
    ids = array("q")
    sides = [array("d") for _ in range(4)]
    for fid, blob in connection.execute(
        f"SELECT fid, geom FROM {quote(table)} WHERE fid > ? ORDER BY fid", (last,)
    ):
        box = bounds(blob)
        if box is not None:
            ids.append(fid)
            for side, value in zip(sides, box, strict=True):
                side.append(value)
    minx, maxx, miny, maxy = sides
    return _Boxes(ids, _down(minx), _up(maxx), _down(miny), _up(maxy))


def _down(values: "array[float]") -> "array[float]":
    near = array("f", values)
    for n, (rounded, value) in enumerate(zip(near, values, strict=True)):
        if rounded > value:
            near[n] = value * (_AWAY if value < 0 else _TOWARDS)
    return near


def _up(values: "array[float]") -> "array[float]":
    near = array("f", values)
    for n, (rounded, value) in enumerate(zip(near, values, strict=True)):
        if rounded < value:
            near[n] = value * (_TOWARDS if value < 0 else _AWAY)
    return near


def _insert(connection: sqlite3.Connection, name: str, boxes: _Boxes) -> None:
    connection.executemany(
        f"INSERT OR REPLACE INTO {quote(name)} VALUES (?,?,?,?,?)", zip(*boxes, strict=True)
    )


def _fill(connection: sqlite3.Connection, name: str, boxes: _Boxes) -> None:
    """Write the nodes of a tree that has these boxes and no others."""
    nodes, parents, rows = (quote(f"{name}_{part}") for part in ("node", "parent", "rowid"))
    (size,) = connection.execute(f"SELECT length(data) FROM {nodes} WHERE nodeno = 1").fetchone()
    room = (size - 4) // _CELL
    for part in (nodes, parents, rows):
        connection.execute(f"DELETE FROM {part}")
    height, following = 0, _ROOT + 1
    while len(boxes.ids) > room:
        upper = _Boxes(array("q"), *(array("f") for _ in range(4)))
        for group in _groups(boxes, room * 9 // 10):
            cells = [[column[n] for n in group] for column in boxes]
            connection.execute(
                f"INSERT INTO {nodes} VALUES (?, ?)", (following, _node(cells, 0, size))
            )
            connection.executemany(
                f"INSERT INTO {parents if height else rows} VALUES (?, ?)",
                [(row, following) for row in cells[0]],
            )
            upper.ids.append(following)
            for side, outermost, values in zip(upper[1:], _OUTERMOST, cells[1:], strict=True):
                side.append(outermost(values))
            following += 1
        boxes, height = upper, height + 1
    cells = [list(column) for column in boxes]
    connection.execute(f"INSERT INTO {nodes} VALUES (?, ?)", (_ROOT, _node(cells, height, size)))
    connection.executemany(
        f"INSERT INTO {parents if height else rows} VALUES (?, ?)",
        [(row, _ROOT) for row in cells[0]],
    )


def _groups(boxes: _Boxes, most: int) -> Iterator[list[int]]:
    """Yield places of boxes that lie together: slices from west to east, each cut from the south."""
    count = len(boxes.ids)
    across = array("d", map(float.__add__, boxes.minx, boxes.maxx))
    along = array("d", map(float.__add__, boxes.miny, boxes.maxy))
    order = sorted(range(count), key=across.__getitem__)
    groups = math.ceil(count / most)
    wide = most * math.ceil(groups / math.ceil(math.sqrt(groups)))
    for west in range(0, count, wide):
        column = sorted(order[west : west + wide], key=along.__getitem__)
        for south in range(0, len(column), most):
            yield column[south : south + most]


def _node(cells: Sequence[Sequence[float]], height: int, size: int) -> bytes:
    count = len(cells[0])
    flat = [value for cell in zip(*cells, strict=True) for value in cell]
    return struct.pack(f">hh{'q4f' * count}", height, count, *flat).ljust(size, b"\0")
