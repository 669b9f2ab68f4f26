"""SQL of a user against a catalog: read-only by construction.

``mode=ro`` alone still lets ATTACH read and create other files and ``VACUUM INTO`` write
a copy, so an authorizer allows reading and nothing else.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote as quote_uri

from .connection import BUSY_TIMEOUT_S, translated_errors
from .errors import CatalogError, SourceError, UsageError
from .geometry import register_functions
from .lock import mark_live, unmark_live

_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_NOT_THE_USERS_FAULT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
_REFUSED_FUNCTIONS = {"load_extension", "zeroblob", "randomblob"}
_MAX_VALUE_BYTES = 50_000_000
_STEPS_BETWEEN_CHECKS = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """The answer to a query."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def query(
    path: str | os.PathLike[str],
    sql: str,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    *,
    time_limit_s: float = 60.0,
) -> Rows:
    """Run one read-only SQL statement on a catalog.

    Args:
        path: The catalog.
        sql: One statement; ``?`` or ``:name`` for parameters.
        parameters: Their values.
        time_limit_s: Wall-clock seconds before the query is stopped.

    Raises:
        UsageError: The SQL is wrong, writes, or takes too long.
        SourceError: No such catalog.
        CatalogError: Damaged, or no catalog.
    """
    with read_only(path) as connection:
        _restrict(connection, time_limit_s)
        try:
            cursor = connection.execute(sql, parameters)
            names = [column[0] for column in cursor.description or ()]
            return Rows(columns=_unique(names), rows=cursor.fetchall())
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_THE_USERS_FAULT:
                raise
            raise UsageError(f"sql: {_explain(error, time_limit_s)}") from error


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Give columns of one name numbers, so that a row as dictionary keeps them all."""
    result: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in result:
            number += 1
            unique = f"{name}_{number}"
        result.append(unique)
    return tuple(result)


def _explain(error: Exception, time_limit_s: float) -> str:
    message = " ".join(str(error).split())
    if message == "interrupted":
        return f"stopped after {time_limit_s:g} s; narrow the query"
    if "not authorized" in message or "prohibited" in message:
        return "only reading is allowed here; use another tool on a copy to change data"
    return message


@contextmanager
def read_only(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """Open a catalog for reading.

    Raises:
        SourceError: The file does not exist.
        CatalogError: It is not a pixelcat catalog.
    """
    resolved = Path(path).resolve()
    if not resolved.is_file():
        raise SourceError(f"{path}: no such catalog")
    with translated_errors(resolved):
        _undo_half_a_commit(resolved)
        connection = sqlite3.connect(
            f"file:{quote_uri(str(resolved))}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S
        )
        mark_live(resolved)
        try:
            register_functions(connection)
            _check_is_catalog(connection, path)
            yield connection
        finally:
            connection.close()
            unmark_live(resolved)


def _undo_half_a_commit(path: Path) -> None:
    """Let SQLite undo what a killed process has left in a journal; reading alone it may not."""
    if path.with_name(f"{path.name}-journal").exists() and os.access(path, os.W_OK):
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _check_is_catalog(connection: sqlite3.Connection, path: str | os.PathLike[str]) -> None:
    found = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE name IN ('runs', 'items', 'gpkg_contents')"
    ).fetchone()[0]
    if found < 3:
        raise CatalogError(f"{path} is not a pixelcat catalog")


def _restrict(connection: sqlite3.Connection, time_limit_s: float) -> None:
    _touch_virtual_tables(connection)
    connection.execute("PRAGMA query_only = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(_authorize)
    end = time.monotonic() + time_limit_s
    connection.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS_BETWEEN_CHECKS)


def _touch_virtual_tables(connection: sqlite3.Connection) -> None:
    """Connect R-trees and json_each now: SQLite asks for write rights when it does so."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%USING rtree%'"
    ).fetchall()
    for (name,) in names:
        escaped = name.replace('"', '""')
        connection.execute(f'SELECT 1 FROM "{escaped}" LIMIT 0')
    connection.execute("SELECT 1 FROM json_each('[]')")
    connection.execute("SELECT 1 FROM json_tree('[]')")


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action not in _ALLOWED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and second in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
