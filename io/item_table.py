"""The items of a mosaic as an SQL table in memory: which of them, and in which order."""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Self

from ..catalog.errors import SourceError, UsageError, first_line
from ..catalog.geopackage import quote
from ..catalog.records import SqlValue

_MOST_COLUMNS = 1999
"""SQLite's limit, less one for the number."""
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
_TEXTS = re.compile(r"'(?:[^']|'')*'")
_NAMES = re.compile(r'"((?:[^"]|"")+)"')
_ORDER = re.compile(r"(?is)\s*(.+?)(?:\s+(asc|desc))?\s*")


class ItemTable:
    """Rows by number, from 0; nothing but them can be reached from its SQL."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Fill the table. Columns whose names differ in case alone are one to SQL.

        Raises:
            SourceError: There are too many columns.
        """
        plain = [{text_of(name).lower(): value for name, value in row.items()} for row in rows]
        names = {text_of(name).lower(): text_of(name) for row in rows for name in row}
        if len(names) > _MOST_COLUMNS:
            raise SourceError(
                f"its items have {len(names)} columns or properties; {_MOST_COLUMNS} is the most"
            )
        self.columns = sorted(names.values(), key=str.lower)
        self._key = "_number"
        while self._key in names:
            self._key += "_"
        self._connection = sqlite3.connect(":memory:")
        columns = ", ".join(map(quote, (self._key, *self.columns)))
        marks = ", ".join("?" for _ in range(len(self.columns) + 1))
        self._connection.execute(f"CREATE TABLE items ({columns})")
        self._connection.executemany(
            f"INSERT INTO items VALUES ({marks})",
            (
                [n, *(_value(row.get(c.lower())) for c in self.columns)]
                for n, row in enumerate(plain)
            ),
        )
        self._connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
        )

    def __enter__(self) -> Self:
        """Return the table itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget it."""
        self._connection.close()

    def where(self, condition: str, option: str) -> list[int]:
        """Return the rows for which a condition holds.

        Raises:
            UsageError: It names a column that there is not, or is no SQL.
        """
        for name in _NAMES.findall(_TEXTS.sub("", condition)):
            self._check(name.replace('""', '"'), option)  # SQLite would take it for a text
        try:
            query = f"SELECT {self._key} FROM items WHERE ({condition}\n) ORDER BY {self._key}"
            return self._numbers(query)
        except (sqlite3.Error, sqlite3.Warning) as error:
            unknown = re.match(r"no such column: (.*)", str(error))
            if unknown:
                self._check(unknown[1].rpartition(".")[2], option)
            raise UsageError(f"{option} {condition}: {first_line(error)}") from error

    def ordered(self, numbers: Sequence[int], order: str) -> list[int]:
        """Return rows by a column, ``COLUMN`` or ``COLUMN desc``; NULL comes last.

        Raises:
            UsageError: There is no such column.
        """
        match = _ORDER.fullmatch(order)
        name = self._check(match[1].strip('"') if match else order, "--mosaic-order")
        column, sense = quote(name), (match and match[2]) or ""
        kept = set(numbers)
        query = f"SELECT {self._key} FROM items ORDER BY {column} IS NULL, {column} {sense}, {self._key}"
        return [number for number in self._numbers(query) if number in kept]

    def _numbers(self, query: str) -> list[int]:
        return [number for (number,) in self._connection.execute(query)]

    def _check(self, name: str, option: str) -> str:
        """Return a column as it is written in the index.

        Raises:
            UsageError: There is none of that name.
        """
        known = {column.lower(): column for column in self.columns}
        if name.lower() not in known:
            listing = ", ".join(self.columns) or "none"
            raise UsageError(f"{option}: no column {name}; the items have {listing}")
        return known[name.lower()]


def _value(value: Any) -> SqlValue:
    """Return a value as SQLite has it; lists and objects as JSON text."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if value is None or isinstance(value, float | bytes):
        return value
    return text_of(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def text_of(value: object) -> str:
    """Return a text from outside without what no database or file system takes, escaped."""
    return str(value).encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
