"""SQL with the functions of SpatiaLite, asked of a copy of a catalog in another process.

GDAL, which brings SpatiaLite, never opens a live catalog (see :mod:`..catalog.lock`). The copy
bounds what hostile SQL can harm; before it gets there, Python's SQLite has compiled the
statement under the authorizer of :mod:`..catalog.guard`, with stand-ins for ``ST_*``. Names of
columns are SQLite's, not GDAL's, which hides some and moves others; values come over as text, see
:mod:`.spatial_values`.
"""

import math
import os
import re
import sqlite3
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..catalog import geometry, guard, statement
from ..catalog.errors import SourceError, UsageError
from ..catalog.query import (
    TIME_LIMIT_S,
    Answer,
    Parameters,
    read_only,
    reference_systems,
    unique,
    whole_statement,
)
from .spatial_values import as_texts
from .sql_apart import Messages, conversation, rows

_UNKNOWN = re.compile(r"(?:no such function: |wrong number of arguments to function )(\w+)")
_MARK = "pixelcat-"
_COPIED_PAGES = 4096
"""At once; a signal is heard between."""


@contextmanager
def asked(
    path: str | os.PathLike[str],
    sql: str,
    parameters: Parameters = (),
    *,
    time_limit_s: float = TIME_LIMIT_S,
) -> Iterator[tuple[Answer, dict[int, str]]]:
    """Run one read-only statement with SpatiaLite's ``ST_*`` functions.

    Gives the answer, with geometries as GeoPackage blobs, and the reference systems they name.

    Args:
        path: The catalog.
        sql: One statement.
        parameters: Values of ``?`` or ``:name`` in it.
        time_limit_s: Wall-clock seconds before the query is stopped.

    Raises:
        UsageError: The SQL is wrong, writes, or takes too long.
        SourceError: No such catalog.
    """
    with tempfile.TemporaryDirectory(prefix="pixelcat-") as folder:
        copy = Path(folder, "snapshot.gpkg")
        with read_only(path) as connection:
            systems = reference_systems(connection)
            whole = whole_statement(connection, sql)
            _copy(connection, copy)
        with closing(sqlite3.connect(copy)) as connection:
            checked, columns = _checked(connection, whole, parameters, time_limit_s)
        request = {"copy": str(copy), "sql": as_texts(checked, len(columns))}
        with conversation("pixelcat.io.spatial_worker", request, time_limit_s) as messages:
            yield Answer(columns=unique(columns), rows=_rows(messages, systems)), systems


def _copy(connection: sqlite3.Connection, copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as target:
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # holds writers off
            connection.backup(target, pages=_COPIED_PAGES)
            connection.execute("ROLLBACK")
            target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise SourceError(
            f"no room for a copy of the catalog in {copy.parent.parent}: {error};"
            " name another folder in TMPDIR"
        ) from error


def _checked(
    connection: sqlite3.Connection, sql: str, parameters: Parameters, time_limit_s: float
) -> tuple[str, list[str]]:
    """Return a statement with its parameters put in, and the names of its columns.

    SQLite has compiled it to read only.

    Raises:
        UsageError: It is wrong or writes.
    """
    literals, marks = _marked(parameters)
    marked = statement.bare(_compiled(connection, sql, marks, time_limit_s))
    if not re.match(r"(select|with|values)\b", marked, re.IGNORECASE):
        raise UsageError("sql: --spatial takes a SELECT")
    names = _columns(connection, marked)
    for mark, (name, literal) in literals.items():
        marked = marked.replace(f"'{mark}'", literal)
        names = [column.replace(f"'{mark}'", name) for column in names]
    return marked, names


def _marked(parameters: Parameters) -> tuple[dict[str, tuple[str, str]], Parameters]:
    """Return names and literals of parameters by marks, and the marks in their places.

    SQLite would write numbers with fewer digits, and ``1-:x`` as the remark ``1--5``.
    """
    named: Mapping[Any, Any] = (
        parameters if isinstance(parameters, Mapping) else dict(enumerate(parameters))
    )
    marks = {name: f"{_MARK}{uuid.uuid4().hex}" for name in named}
    literals = {
        marks[name]: (f":{name}" if isinstance(name, str) else "?", _literal(value))
        for name, value in named.items()
    }
    if isinstance(parameters, Mapping):
        return literals, marks
    return literals, list(marks.values())


def _literal(value: Any) -> str:
    """Return a value as SQL.

    Raises:
        UsageError: SQLite has nothing like it.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):  # as SQLite binds it
        return "NULL"
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return f"({int(value)})"
    if isinstance(value, float):
        return f"({value!r})" if math.isfinite(value) else f"({'-' * (value < 0)}9e999)"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"x'{bytes(value).hex()}'"
    if not isinstance(value, str):
        raise UsageError(f"sql: {value!r:.40} cannot be the value of a parameter")
    if "\0" in value:
        return f"CAST(x'{value.encode().hex()}' AS TEXT)"
    return "'" + value.replace("'", "''") + "'"


def _compiled(
    connection: sqlite3.Connection, sql: str, parameters: Parameters, time_limit_s: float
) -> str:
    """Return a statement that has been compiled to read only, with text for its parameters."""
    seen: list[str] = []
    geometry.register_functions(connection)
    guard.restrict(connection, time_limit_s)
    connection.set_progress_handler(lambda: 1, 1)  # stops before the first step
    connection.set_trace_callback(seen.append)
    while not seen:
        try:
            connection.execute(sql, parameters)
        except (sqlite3.Error, UnicodeError, OverflowError, MemoryError) as error:
            unknown = _UNKNOWN.match(str(error))
            if unknown and unknown[1].upper().startswith("ST_"):
                connection.create_function(unknown[1], -1, lambda *_: None)
            elif not seen:
                raise guard.refusal(error, time_limit_s, None) or error from error
        else:
            break
    connection.set_trace_callback(None)
    return seen[0] if seen else ""


def _columns(connection: sqlite3.Connection, checked: str) -> list[str]:
    """Return what SQLite calls the columns of an answer, without working it out."""
    connection.set_authorizer(None)
    connection.set_progress_handler(None, 0)
    connection.execute("PRAGMA query_only = OFF")
    connection.execute(f"CREATE TEMP VIEW pixelcat_columns AS {checked}")
    found = connection.execute("SELECT name FROM pragma_table_info('pixelcat_columns')")
    return _as_given(name for (name,) in found)


def _as_given(names: Iterable[str]) -> list[str]:
    """Return names of columns as they are outside of a view, where each has to have its own."""
    result: list[str] = []
    for name in names:
        first, _, number = name.rpartition(":")
        result.append(first if number.isdigit() and first in result else name)
    return result


def _rows(messages: Messages, systems: dict[int, str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows, and add reference systems that geometries name by a code of EPSG."""
    for row in rows(messages):
        for value in row:
            if isinstance(value, bytes) and value[:2] == b"GP" and len(value) >= 8:
                _add_system(systems, geometry.srs_id_of(value))
        yield row


def _add_system(systems: dict[int, str], srs_id: int) -> None:
    if srs_id > 0 and srs_id not in systems:
        from .srs import describe

        known = describe(f"EPSG:{srs_id}")
        if known is not None:
            systems[srs_id] = known.definition
