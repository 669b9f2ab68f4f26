"""Questions in SQL to a catalog: plain, spatial, and saved ones."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..catalog import query, saved_queries
from ..catalog.errors import UsageError
from ..catalog.query import TIME_LIMIT_S, Answer, Parameters
from ..catalog.store import Catalog
from ..io import spatial_functions, spatial_query


class Asked(NamedTuple):
    """An answer, and the reference systems of its geometries by the numbers that they name."""

    answer: Answer
    systems: dict[int, str]


@contextmanager
def ask(
    path: str | os.PathLike[str],
    sql: str,
    parameters: Parameters = (),
    *,
    spatial: bool = False,
    time_limit_s: float = TIME_LIMIT_S,
    limit_memory: bool = False,
) -> Iterator[Asked]:
    """Run one read-only statement and give its rows one by one.

    Args:
        path: The catalog.
        sql: One statement, or the name of a table, view or saved query.
        parameters: Values of ``?`` or ``:name`` in it.
        spatial: With all functions of SpatiaLite, on a copy of the catalog.
        time_limit_s: Wall-clock seconds before the query is stopped.
        limit_memory: Limit SQLite's memory for the rest of this process.

    Raises:
        UsageError: The SQL is wrong, writes, takes too long or too much memory.
        SourceError: No such catalog.
        CatalogError: Damaged, or no catalog.
    """
    if spatial:
        yield Asked(*spatial_query.ask(path, sql, parameters, time_limit_s=time_limit_s))
        return
    with query.read_only(path) as connection:
        systems = spatial_functions.reference_systems(connection)
    with query.asked(
        path,
        sql,
        parameters,
        time_limit_s=time_limit_s,
        functions=spatial_functions.register,
        limit_memory=limit_memory,
    ) as answer:
        yield Asked(answer, systems)


def dicts(
    path: str | os.PathLike[str], sql: str, parameters: Parameters = (), *, spatial: bool = False
) -> list[dict[str, Any]]:
    """Return the rows of an answer as dictionaries; see :func:`ask`."""
    if not isinstance(sql, str):
        raise UsageError(f"SQL is a text, not {type(sql).__name__}")
    with ask(path, sql, parameters, spatial=spatial) as asked:
        return asked.answer.kept().dicts()


def save(path: str | os.PathLike[str], name: str, sql: str) -> None:
    """Keep a question in a catalog as a view of this name; replaces a saved one.

    Raises:
        UsageError: The SQL is no SELECT or has parameters, or something else has the name.
        CatalogError: The catalog cannot be written; busy while a run writes it.
    """
    statement = re.sub(r"(;|\s|^--.*$)+\Z", "", sql, flags=re.MULTILINE)
    whole = f"SELECT * FROM ({statement}\n) LIMIT 0"
    query.query(path, whole, functions=spatial_functions.register)
    with Catalog(Path(path)) as catalog, catalog.transaction() as connection:
        saved_queries.save(connection, name, statement)


def forget(path: str | os.PathLike[str], name: str) -> None:
    """Remove a saved question.

    Raises:
        UsageError: None has that name.
        CatalogError: The catalog cannot be written; busy while a run writes it.
    """
    with Catalog(Path(path)) as catalog, catalog.transaction() as connection:
        saved_queries.forget(connection, name)


def saved(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the saved questions of a catalog: ``name``, ``sql``, ``saved_at``."""
    with query.read_only(path) as connection:
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'saved_queries'")
        if known.fetchone() is None:  # made before there were any
            return []
        rows = connection.execute("SELECT name, sql, saved_at FROM saved_queries ORDER BY name")
        return [dict(zip(("name", "sql", "saved_at"), row, strict=True)) for row in rows]
