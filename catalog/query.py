"""SQL of a user against a catalog: read-only by construction, see :mod:`.guard`."""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote as quote_uri

from . import guard, own_tables, statement
from .connection import BUSY_TIMEOUT_S, translated_errors
from .errors import CatalogError, SourceError, UsageError
from .geometry import register_functions
from .geopackage import quote
from .lock import check_journal, mark_live, unmark_live

TIME_LIMIT_S = 60.0
Parameters = Sequence[Any] | Mapping[str, Any]
Functions = Callable[[sqlite3.Connection], Callable[[], str | None]]
"""Gives a connection SQL functions; what it returns says why one of them has failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """The answer to a query."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer to a query, row by row while the catalog is open."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]
    """To be taken once."""

    def kept(self) -> Rows:
        """Return all rows.

        Raises:
            UsageError: They are too many to be kept.
        """
        return Rows(columns=self.columns, rows=list(guard.fitting(self.rows)))


def query(
    path: str | os.PathLike[str],
    sql: str,
    parameters: Parameters = (),
    *,
    time_limit_s: float = TIME_LIMIT_S,
    functions: Functions | None = None,
) -> Rows:
    """Run one read-only SQL statement on a catalog.

    Args:
        path: The catalog.
        sql: One statement; ``?`` or ``:name`` for parameters. Or the name of a table, view or
            saved query alone, for all of it.
        parameters: Their values.
        time_limit_s: Wall-clock seconds before the query is stopped.
        functions: SQL functions to be had beyond SQLite's own.

    Raises:
        UsageError: The SQL is wrong, writes, takes too long or too much memory.
        SourceError: No such catalog.
        CatalogError: Damaged, or no catalog.
    """
    with asked(path, sql, parameters, time_limit_s=time_limit_s, functions=functions) as answer:
        return answer.kept()


@contextmanager
def asked(
    path: str | os.PathLike[str],
    sql: str,
    parameters: Parameters = (),
    *,
    time_limit_s: float = TIME_LIMIT_S,
    functions: Functions | None = None,
    memory_limit_bytes: int | None = None,
) -> Iterator[Answer]:
    """Run a statement like :func:`query`, and give its rows one by one.

    Args:
        path: The catalog.
        sql: One statement.
        parameters: Their values.
        time_limit_s: Wall-clock seconds before the query is stopped.
        functions: SQL functions to be had beyond SQLite's own.
        memory_limit_bytes: What SQLite may take for the rest of this process.
    """
    with read_only(path) as connection:
        problem = functions(connection) if functions else lambda: None
        if memory_limit_bytes is not None:
            guard.limit_memory(connection, memory_limit_bytes)
        whole = whole_statement(connection, sql)
        guard.restrict(connection, time_limit_s)

        @contextmanager
        def judged() -> Iterator[None]:
            try:
                yield
            except (sqlite3.Error, UnicodeError, OverflowError, MemoryError) as error:
                told = guard.refusal(error, time_limit_s, problem())
                if told is None:
                    raise
                raise told from error

        def rows(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
            with judged():
                for row in cursor:  # noqa: UP028  "yield from" would close it, perhaps too late
                    yield row

        with judged():
            cursor = connection.execute(whole, parameters)
            names = [column[0] for column in cursor.description or ()]
        yield Answer(columns=unique(names), rows=rows(cursor))


def whole_statement(connection: sqlite3.Connection, sql: str) -> str:
    """Return the statement; that for all of a table where only its name is given.

    Raises:
        UsageError: There is nothing of that name, or nothing at all is asked.
    """
    if not statement.bare(sql):
        raise UsageError("sql: the statement is empty; give a SELECT or the name of a table")
    name = sql.strip()
    if not re.fullmatch(r"[\w .-]+", name):
        return sql
    known = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?"
        " COLLATE NOCASE",
        (name,),
    ).fetchone()
    if known is None and name.isidentifier():
        raise UsageError(f"sql: no table, view or saved query is called {name}")
    return f"SELECT * FROM {quote(known[0])}" if known else sql


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Give columns of one name numbers, so that a row as dictionary keeps them all."""
    result: list[str] = []
    for name in names:
        number, free = 1, name
        while free in result:
            number += 1
            free = f"{name}_{number}"
        result.append(free)
    return tuple(result)


def reference_systems(connection: sqlite3.Connection) -> dict[int, str]:
    """Return the definitions of reference systems by the numbers that geometries name."""
    try:
        rows = connection.execute("SELECT srs_id, definition FROM gpkg_spatial_ref_sys")
        return {number: text for number, text in rows if text != "undefined"}
    except sqlite3.Error:  # no GeoPackage: numbers are those of EPSG
        return {}


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
    check_journal(path)
    if path.with_name(f"{path.name}-journal").exists() and os.access(path, os.W_OK):
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _check_is_catalog(connection: sqlite3.Connection, path: str | os.PathLike[str]) -> None:
    names = own_tables.check(connection, path)
    if not names:
        raise CatalogError(
            f"{path} is empty: what began it was stopped before it wrote anything; the same"
            " command begins again"
        )
    if not names >= {"runs", "items", "gpkg_contents"}:
        raise CatalogError(f"{path} is not a pixelcat catalog")
