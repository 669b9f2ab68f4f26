"""Which table the rows of a child table belong to, and to which of its rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from .key_columns import KeyColumns, column_of, normalise_key, rows_by_key
from .qgis_project import Relation
from .tables import Table

_LEAST_COVERED = 0.8
"""Share of a child's keys that a parent must have, where no project says what belongs."""


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
    is_number: bool = False
    """The keys are whole numbers, and no name of a column says that they belong together."""
    through: str = ""
    """The tables without geometry between the child and its parent."""

    @property
    def covers(self) -> bool:
        """Whether the parent has so many of the keys that it may well be the parent."""
        return self.found > 0 and self.found >= _LEAST_COVERED * self.keys

    @property
    def is_sure(self) -> bool:
        """Whether it is the parent, without anybody saying so."""
        return self.covers and not self.is_number

    @property
    def doubt(self) -> str:
        """Why it is not sure."""
        return "whole numbers under other names" if self.is_number else "too few to be sure"

    def __str__(self) -> str:
        """Say it in words."""
        table, column = self.parent.table.name, self.parent.column
        values = f"{self.found} of {self.keys} values of {self.parent.child_column}"
        return f"{values} are in {column} of {table}"


def find_parent(
    child: Table,
    photo_columns: Collection[str],
    tables: Sequence[Table],
    relations: Sequence[Relation],
    layer: str | None = None,
) -> Match | None:
    """Return the parent that a project names, else the feature layer whose keys fit best.

    Where the parent has no geometry and a parent of its own, that is the one.

    Args:
        child: The table that has photos.
        photo_columns: Its columns of photos, which are no keys.
        tables: All tables of its source.
        relations: What projects say.
        layer: The layer that the user asks for.
    """
    others = [table for table in tables if table is not child]
    match = _told_parent(child, others, relations)
    if match is None and child.geometry_type is None:
        keys = KeyColumns(child, photo_columns)
        match = _guess(keys, [table for table in others if table.geometry_type is not None])
        if match is None or not match.is_sure:
            plain = _guess(keys, [table for table in others if table.geometry_type is None])
            if plain is not None and plain.is_sure:
                above = _above(plain, others, relations, layer)
                match = above if above is not plain or _is(plain.parent.table, layer) else match
        return match
    return match and _above(match, others, relations, layer)


def _is(table: Table, layer: str | None) -> bool:
    return layer is not None and table.name.lower() == layer.lower()


def _told_parent(
    child: Table, others: Sequence[Table], relations: Iterable[Relation]
) -> Match | None:
    """Return the parent that a project names."""
    by_name = {table.name.lower(): table for table in others}
    for relation in relations:
        parent = by_name.get(relation.parent.lower())
        if relation.child.lower() == child.name.lower() and parent:
            child_column = column_of(child, relation.child_column)
            rows = rows_by_key(parent, relation.parent_column)
            if child_column and rows:
                told = Parent(parent, child_column, rows, relation.parent_column)
                return Match(told, 1, 1)
    return None


def _above(
    match: Match, others: Sequence[Table], relations: Sequence[Relation], layer: str | None
) -> Match:
    """Return the parent's own parent, for a sure one, where the parent has no geometry."""
    parent = match.parent
    if parent.table.geometry_type is not None or _is(parent.table, layer):
        return match
    above = find_parent(parent.table, (), others, relations, layer)
    if above is None or not above.is_sure:
        return match
    keys = {
        row: normalise_key(value)
        for row, (value,) in parent.table.rows([above.parent.child_column])
    }
    reached = {key: above.parent.rows.get(keys.get(row) or "") for key, row in parent.rows.items()}
    rows = {key: row for key, row in reached.items() if row is not None}
    through = ", ".join(filter(None, (parent.table.name, above.through)))
    column = f"{parent.column} of {parent.table.name}"
    whole = Parent(above.parent.table, parent.child_column, rows, column)
    return match._replace(parent=whole, through=through)


def _guess(keys: KeyColumns, layers: Sequence[Table]) -> Match | None:
    """Return the layer with most keys; by whole numbers of any name only where no other is."""
    for is_number in (False, True):
        best: Match | None = None
        covered = 0.0
        for layer, column, names in keys.pairs(layers, any_number=is_number):
            rows = rows_by_key(layer, column, unique=True)
            for name in names:
                known = keys.values[name]
                found = len(known & rows.keys())
                if found > covered * len(known):
                    parent = Parent(layer, name, rows, column)
                    best = Match(parent, found, len(known), is_number)
                    covered = found / len(known)
        if best is not None and (best.covers or not is_number):
            return best
    return None
