"""Columns whose values may be keys: of rows of another table, or of a table's own."""

from collections.abc import Collection, Iterator, Sequence

from ..catalog.records import SqlValue
from .ogr import normalise_guid
from .tables import Table

_LONGEST_KEY = 200
_TEXT = ("TEXT", "UUID", "CHAR")
_NUMBER = ("INT", "BIGINT", "SMALLINT", "MEDIUMINT", "TINYINT")
_OWN_KEYS = frozenset(["fid", "id", "objectid", "oid", "gid", "ogc_fid", "pk", "rowid"])
"""Names under which any table numbers its own rows."""
_DRIVERS_WITH_FIDS = ("GPKG", "OpenFileGDB")
"""Formats whose row keys are kept, so that another table may name them."""


class KeyColumns:
    """Columns of a child table that may name rows of its parent, and their values."""

    def __init__(self, child: Table, without: Collection[str]) -> None:
        """Read the values.

        Args:
            child: The table.
            without: Its columns that are no keys.
        """
        self._text = [name for name in columns_like(child, _TEXT) if name not in without]
        numbers = [name for name in columns_like(child, _NUMBER) if name not in without]
        self._numbers = [name for name in numbers if name.lower() not in _OWN_KEYS]
        self.values: dict[str, set[str]] = {name: set() for name in (*self._text, *self._numbers)}
        names = list(self.values)
        for _, values in child.rows(names) if names else ():
            for name, value in zip(names, values, strict=True):
                key = normalise_key(value)
                if key is not None:
                    self.values[name].add(key)

    def pairs(
        self, layers: Sequence[Table], *, any_number: bool
    ) -> Iterator[tuple[Table, str, list[str]]]:
        """Yield columns of layers, each with those of the child that may have its values.

        Any text may be a key. Whole numbers agree by chance, so names have to agree too.

        Args:
            layers: What may be the parent.
            any_number: Yield columns of whole numbers instead, whatever their names.
        """
        for layer in layers:
            if any_number:
                for column in (*columns_like(layer, _NUMBER), *_row_key(layer)):
                    yield layer, column, self._numbers
                continue
            for column in columns_like(layer, _TEXT):
                yield layer, column, self._text
        for layer in () if any_number else layers:
            for column in (*columns_like(layer, (*_TEXT, *_NUMBER)), *_row_key(layer)):
                yield layer, column, [n for n in self.values if _agree(n, layer.name, column)]


def normalise_key(value: SqlValue) -> str | None:
    """Return a key as tables of different makers agree on it: no braces, no case."""
    if value is None or value == "" or isinstance(value, bytes):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    return normalise_guid(text) or None if len(text) <= _LONGEST_KEY else None


def column_of(table: Table, name: str) -> str | None:
    """Return a column by name in any case."""
    return next((c.name for c in table.columns if c.name.lower() == name.lower()), None)


def columns_like(table: Table, types: tuple[str, ...]) -> list[str]:
    """Return the columns of types that begin so."""
    return [c.name for c in table.columns if c.sql_type.upper().startswith(types)]


def _row_key(table: Table) -> list[str]:
    """Return the name of the key of rows, where it is not among the columns."""
    has_fids = table.driver in _DRIVERS_WITH_FIDS
    return ["fid"] if has_fids and column_of(table, "fid") is None else []


def _agree(name: str, layer: str, column: str) -> bool:
    """Return whether a column is called like one of a layer, or like the key of its rows."""
    name, column = name.lower(), column.lower()
    if column in _OWN_KEYS:
        singular = layer.lower().removesuffix("s")
        endings = {"id", "fid", column}
        return any(name == f"{each}_{end}" for each in (layer.lower(), singular) for end in endings)
    return name == column


def rows_by_key(table: Table, column: str, *, unique: bool = False) -> dict[str, int]:
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
