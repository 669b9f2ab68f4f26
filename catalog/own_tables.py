"""Whether what has our names in a file is what we make: a view in place of a table may have no end."""

import re
import sqlite3

from . import schema_sql
from .errors import CatalogError
from .geopackage import quote
from .geopackage_sql import SYSTEM_TABLES
from .table_names import RESERVED
from .zones_sql import ZONE_TABLES

_SCRIPTS = (
    *(SYSTEM_TABLES, ZONE_TABLES, schema_sql.TABLES, schema_sql.VIEWS, schema_sql.EXTRA_RASTERS),
    *(schema_sql.VERIFICATIONS, schema_sql.STATS_BY_ITEM, schema_sql.KEYWORDS),
    *(schema_sql.SAVED_QUERIES, schema_sql.STATS_BY_FEATURE),
)
"""All that any version has made."""
_TABLES = {
    *re.findall(r"^CREATE TABLE (\w+)", "".join(_SCRIPTS), re.MULTILINE),
    *("layer_styles", "_sqlite_migrations"),
}
_VIEWS = {
    " ".join(sql.split())
    for sql in re.findall(r"^CREATE VIEW [^;]+", "".join(_SCRIPTS), re.MULTILINE)
}
_NAMES_OF_VIEWS = {sql.split()[2] for sql in _VIEWS}
_LAYERS = (
    ("result_layers", "table_name"), ("result_layers", "summary_name"),
    ("zone_layers", "table_name"),
)  # fmt: skip
"""Where the names of further tables of ours are."""
_GENERATED = 2
"""From this value of ``hidden`` on a column is worked out from others, by whatever expression."""


def check(connection: sqlite3.Connection, path: object) -> set[str]:
    """Refuse a catalog with something else in place of our tables and views.

    Triggers are not looked at: whoever only reads sets none off.

    Args:
        connection: To a file that may be anything.
        path: What it is called in an error.

    Returns:
        The names of all that is in it.

    Raises:
        CatalogError: Reading it might never end.
    """
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    there = {name for _, name, _ in rows}
    strange = {name for kind, name, sql in rows if not _is_ours(kind, name.lower(), sql or "")}
    if not strange:
        strange = _generated(connection, {name for name in there if name.lower() in _TABLES})
    if not strange:
        layers = {name.lower() for name in _layers(connection, there)}
        strange = {
            name for kind, name, sql in rows
            if name.lower() in layers and kind in ("table", "view") and not _is_table(kind, sql)
        }  # fmt: skip
    if not strange:
        strange = _generated(connection, {name for name in there if name.lower() in layers})
    if strange:
        raise CatalogError(
            f"{path}: {min(strange)} in it is not what pixelcat makes, and reading it might never"
            " end; was the file changed by somebody else? Take a copy from before"
        )
    return there


def _is_ours(kind: str, name: str, sql: str) -> bool:
    """Return whether something that has a name of ours is ours; others may be what they like."""
    if kind not in ("table", "view"):
        return True
    if name in _NAMES_OF_VIEWS:
        return " ".join(sql.split()) in _VIEWS
    if name in _TABLES:
        return _is_table(kind, sql)
    return kind == "table" or not name.startswith(RESERVED)


def _is_table(kind: str, sql: str | None) -> bool:
    """Return whether something is a table, and none whose rows a program makes."""
    return kind == "table" and (sql or "")[:13].upper() == "CREATE TABLE "


def _layers(connection: sqlite3.Connection, there: set[str]) -> set[str]:
    return {
        row[0]
        for table, column in _LAYERS
        if table in there
        for row in connection.execute(f"SELECT {column} FROM {table}")
        if isinstance(row[0], str)
    }


def _generated(connection: sqlite3.Connection, tables: set[str]) -> set[str]:
    """Return the tables of which a column is worked out from others."""
    return {
        table
        for table in tables
        if any(
            row[6] >= _GENERATED
            for row in connection.execute(f"PRAGMA table_xinfo({quote(table)})")
        )
    }
