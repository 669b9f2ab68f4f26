"""What keeps the SQL of a user to reading, to some memory and to some time.

``mode=ro`` alone still lets ATTACH read and create other files and ``VACUUM INTO`` write
a copy, so an authorizer allows reading and nothing else.
"""

import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator

from .errors import UsageError
from .geopackage import quote

MAX_MEMORY_BYTES = 1 << 30
"""What an answer may take, and what SQLite may while it works one out."""

_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_PRAGMAS = ("table_info", "table_xinfo", "table_list", "index_list", "index_info")
"""They say which tables, columns and indexes there are."""
_REFUSED_FUNCTIONS = {
    *("load_extension", "fts3_tokenizer", "fts5", "optimize", "sqlite_log"),
    *("writefile", "readfile", "edit", "zeroblob", "randomblob"),
}
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 50_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}
_NOT_THE_USERS_FAULT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
_STEPS_BETWEEN_CHECKS = 20_000
_OVERHEAD_BYTES = 56
"""Of a value in Python."""


def restrict(connection: sqlite3.Connection, time_limit_s: float) -> None:
    """Let a connection only read, and stop what takes longer."""
    _touch_virtual_tables(connection)
    connection.execute("PRAGMA query_only = ON")
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    connection.set_authorizer(_authorize)
    end = time.monotonic() + time_limit_s
    connection.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS_BETWEEN_CHECKS)


def limit_memory(connection: sqlite3.Connection, most_bytes: int) -> None:
    """Stop statements for which SQLite would need too much memory, or files instead.

    The limit holds for all of this process that uses Python's SQLite, until it ends: for a
    process that asks and ends, not for a library.
    """
    connection.execute(f"PRAGMA hard_heap_limit = {most_bytes}")
    connection.execute("PRAGMA temp_store = MEMORY")


def fitting(rows: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    """Yield rows that are to be kept until there are too many.

    Raises:
        UsageError: They take more memory than an answer may.
    """
    size = 0
    for row in rows:
        size += _OVERHEAD_BYTES * (len(row) + 1)
        size += sum(sys.getsizeof(value) for value in row if isinstance(value, str | bytes))
        if size > MAX_MEMORY_BYTES:
            raise UsageError(
                f"sql: the answer is larger than {MAX_MEMORY_BYTES >> 20} MB; narrow the query"
            )
        yield row


def refusal(error: Exception, time_limit_s: float, problem: str | None) -> UsageError | None:
    """Return what a user is told about a statement that failed; None where it is not at fault.

    Args:
        error: What was raised.
        time_limit_s: How long the statement had.
        problem: What one of our functions had to say.
    """
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_THE_USERS_FAULT:
        return None
    message = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        message = "needs too much memory; narrow the query"
    elif message == "interrupted":
        message = f"stopped after {time_limit_s:g} s; narrow the query"
    elif "not authorized" in message or "prohibited" in message:
        message = "only reading is allowed here; use another tool on a copy to change data"
    elif problem and message.startswith("user-defined function"):
        message = problem
    return UsageError(f"sql: {message}")


def _touch_virtual_tables(connection: sqlite3.Connection) -> None:
    """Connect R-trees and table-valued functions: SQLite asks for write rights when it does so."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%USING rtree%'"
    ).fetchall()
    for (name,) in names:
        connection.execute(f"SELECT 1 FROM {quote(name)} LIMIT 0")
    for function in ("json_each('[]')", "json_tree('[]')", *map("pragma_{}".format, _PRAGMAS)):
        connection.execute(f"SELECT 1 FROM {function} LIMIT 0")


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_PRAGMA and str(first).lower() in _PRAGMAS:
        return sqlite3.SQLITE_OK
    if action not in _ALLOWED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and str(second).lower() in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
