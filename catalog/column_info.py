"""Aliases and coded domains of columns: the Schema extension of a GeoPackage.

OGC 12-128r18, annex F.9. Sources are read with it, and output tables are described by it,
so that QGIS and GDAL show ``Asphalt`` where a column holds 1.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .records import CodedDomains, Column

_TABLES = {
    "gpkg_data_columns": """
CREATE TABLE gpkg_data_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT,
  mime_type TEXT, constraint_name TEXT,
  CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name))""",
    "gpkg_data_column_constraints": """
CREATE TABLE gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC,
  min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value))""",
}
_DEFINITION = "http://www.geopackage.org/spec130/#extension_schema"


def describe(connection: sqlite3.Connection, table: str, columns: Iterable[Column]) -> list[Column]:
    """Return the columns of a table with their aliases and the names of their domains."""
    found = {
        str(row[0]).lower(): row[1:]
        for row in _rows(
            connection,
            "gpkg_data_columns",
            "column_name, coalesce(name, title), constraint_name",
            "lower(table_name) = lower(?)",
            table,
        )
    }
    return [
        replace(column, alias=_alias(column.name, alias), domain=domain)
        for column in columns
        for alias, domain in [found.get(column.name.lower(), (None, None))]
    ]


def coded_domains(connection: sqlite3.Connection, columns: Iterable[Column]) -> CodedDomains:
    """Return what the codes of these columns mean; domains that list no codes are left out."""
    domains = {}
    for name in sorted({column.domain for column in columns if column.domain}):
        codes = _codes(connection, name)
        if codes:
            domains[name] = codes
    return domains


def write(
    connection: sqlite3.Connection,
    table: str,
    columns: Iterable[Column],
    domains: CodedDomains,
) -> None:
    """Describe the columns of a table; those without alias and domain need no description."""
    taken: set[str] = set()
    for column in columns:
        codes = domains.get(column.domain or "")
        if not (column.alias or codes):
            continue
        _create_tables(connection)
        constraint = _add_constraint(connection, column.domain or "", codes) if codes else None
        name = None if column.alias in taken else column.alias  # names are unique in a table
        taken.add(name or "")
        connection.execute(
            "INSERT INTO gpkg_data_columns (table_name, column_name, name, title, constraint_name)"
            " VALUES (?, ?, ?, ?, ?)",
            (table, column.name, name, column.alias, constraint),
        )


def forget(connection: sqlite3.Connection, table: str) -> None:
    """Remove the description of a table, and the domains that nothing else uses."""
    if not _exists(connection, "gpkg_data_columns"):
        return
    connection.execute("DELETE FROM gpkg_data_columns WHERE table_name = ?", (table,))
    connection.execute(
        "DELETE FROM gpkg_data_column_constraints WHERE constraint_name NOT IN"
        " (SELECT constraint_name FROM gpkg_data_columns WHERE constraint_name NOT NULL)"
    )


def _alias(name: str, alias: object) -> str | None:
    """Return an alias that says more than the name of its column."""
    return str(alias) if alias and alias != name else None


def _add_constraint(connection: sqlite3.Connection, domain: str, codes: Mapping[str, str]) -> str:
    """Return the name of a domain with these codes, adding it where there is none."""
    name, number = domain, 1
    while (known := _codes(connection, name)) and known != codes:
        number += 1
        name = f"{domain}_{number}"
    if not known:
        connection.executemany(
            "INSERT INTO gpkg_data_column_constraints (constraint_name, constraint_type, value,"
            " description) VALUES (?, 'enum', ?, ?)",
            [(name, code, text) for code, text in codes.items()],
        )
    return name


def _codes(connection: sqlite3.Connection, name: str) -> dict[str, str]:
    rows = _rows(
        connection,
        "gpkg_data_column_constraints",
        "value, coalesce(description, value)",
        "constraint_type = 'enum' AND value NOT NULL AND constraint_name = ?",
        name,
    )
    return {str(value): str(text) for value, text in rows}


def _rows(
    connection: sqlite3.Connection, table: str, columns: str, where: str, parameter: str
) -> list[tuple[Any, ...]]:
    """Read from a table of the extension; nothing where the file does not have it."""
    if not _exists(connection, table):
        return []
    query = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY rowid"
    try:
        return connection.execute(query, (parameter,)).fetchall()
    except sqlite3.OperationalError:  # a table that only has the name: no reason to stop
        return []


def _create_tables(connection: sqlite3.Connection) -> None:
    for table, statement in _TABLES.items():
        if not _exists(connection, table):
            connection.execute(statement)
            connection.execute(
                "INSERT INTO gpkg_extensions VALUES (?, NULL, 'gpkg_schema', ?, 'read-write')",
                (table, _DEFINITION),
            )


def _exists(connection: sqlite3.Connection, table: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
    return found.fetchone() is not None
