"""Which table the rows of a child table belong to, and to which of its rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..catalog.records import SqlValue
from .ogr import normalise_guid
from .qgis_project import Relation
from .tables import Table

_LEAST_COVERED = 0.8
"""Share of a child's keys that a parent must have, where no project says what belongs."""

_LONGEST_KEY = 200


class Parent(NamedTuple):
    """The table that the rows of a child belong to."""

    table: Table
    child_column: str
    rows: Mapping[str, int]
    """Key, as :func:`normalise_key` gives it → key of the row in the parent."""
    column: str
    """The parent's column that holds the keys."""


class Match(NamedTuple):
    """What may be the parent of a child table, and how much speaks for it."""

    parent: Parent
    found: int
    """How many keys of the child the parent has."""
    keys: int
    """How many there are, each counted once."""

    @property
    def is_sure(self) -> bool:
        """Whether it is the parent, without anybody saying so."""
        return self.found >= _LEAST_COVERED * self.keys

    def __str__(self) -> str:
        """Say it in words."""
        table, column = self.parent.table.name, self.parent.column
        values = f"{self.found} of {self.keys} values of {self.parent.child_column}"
        return f"{values} are in {column} of {table}"


def normalise_key(value: SqlValue) -> str | None:
    """Return a key as tables of different makers agree on it: no braces, no case."""
    if value is None or value == "" or isinstance(value, bytes):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    return normalise_guid(text) or None if len(text) <= _LONGEST_KEY else None


def find_parent(
    child: Table,
    photo_columns: Collection[str],
    tables: Sequence[Table],
    relations: Iterable[Relation],
) -> Match | None:
    """Return the parent that a project names, else the feature layer whose keys fit best.

    Args:
        child: The table that has photos.
        photo_columns: Its columns of photos, which are no keys.
        tables: All tables of its source.
        relations: What projects say.
    """
    by_name = {table.name.lower(): table for table in tables}
    for relation in relations:
        parent = by_name.get(relation.parent.lower())
        if relation.child.lower() == child.name.lower() and parent and parent is not child:
            child_column = column_of(child, relation.child_column)
            rows = _rows_by_key(parent, relation.parent_column)
            if child_column and rows:
                told = Parent(parent, child_column, rows, relation.parent_column)
                return Match(told, 1, 1)
    if child.geometry_type is not None:
        return None
    layers = [t for t in tables if t.geometry_type is not None and t is not child]
    keys = [name for name in _text_columns(child) if name not in photo_columns]
    return _guess_parent(child, keys, layers)


def column_of(table: Table, name: str) -> str | None:
    """Return a column by name in any case."""
    return next((c.name for c in table.columns if c.name.lower() == name.lower()), None)


def _guess_parent(child: Table, columns: Sequence[str], layers: Sequence[Table]) -> Match | None:
    """Try columns of the child against every text column of the layers."""
    candidates = [(layer, name) for layer in layers for name in _text_columns(layer)]
    if not columns or not candidates:
        return None
    keys: dict[str, set[str]] = {name: set() for name in columns}
    for _, values in child.rows(columns):
        for name, value in zip(columns, values, strict=True):
            key = normalise_key(value)
            if key is not None:
                keys[name].add(key)
    best: Match | None = None
    covered = 0.0
    for layer, column in candidates:
        rows = _rows_by_key(layer, column, unique=True)
        for name, known in keys.items():
            found = len(known & rows.keys())
            if found > covered * len(known):
                best, covered = (
                    Match(Parent(layer, name, rows, column), found, len(known)),
                    (found / len(known)),
                )
    return best


def _text_columns(table: Table) -> list[str]:
    return [
        c.name for c in table.columns if c.sql_type.upper().startswith(("TEXT", "UUID", "CHAR"))
    ]


def _rows_by_key(table: Table, column: str, *, unique: bool = False) -> dict[str, int]:
    """Return the rows of a table by a column; none where a key repeats that must not."""
    name = column_of(table, column)
    if name is None:  # the row key of a GeoPackage is not among the columns
        return {str(row): row for row, _ in table.rows([])} if column.lower() == "fid" else {}
    rows: dict[str, int] = {}
    for row, (value,) in table.rows([name]):
        key = normalise_key(value)
        if key is None:
            continue
        if key in rows and unique:
            return {}
        rows.setdefault(key, row)
    return rows
