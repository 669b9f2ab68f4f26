"""Questions in SQL to a catalog: plain, spatial, and saved ones."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..catalog import query, saved_queries, statement
from ..catalog.errors import UsageError
from ..catalog.geopackage import quote
from ..catalog.query import TIME_LIMIT_S, Answer, Parameters
from ..catalog.saved_queries import Seen
from ..io import sql_apart


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
    apart: bool = False,
) -> Iterator[Asked]:
    """Run one read-only statement and give its rows one by one.

    Args:
        path: The catalog.
        sql: One statement, or the name of a table, view or saved query.
        parameters: Values of ``?`` or ``:name`` in it.
        spatial: With all `ST_*` functions of SpatiaLite, on a copy of the catalog.
        time_limit_s: Wall-clock seconds before the query is stopped.
        apart: In a process of its own, which is ended when it takes too long or too much memory,
            whatever it is at. Spatial questions always are. Without, the time limit is looked at
            between SQLite's steps, not inside a function, and memory has no limit but that of the
            answer.

    Raises:
        UsageError: The SQL is wrong, writes, takes too long or too much memory.
        SourceError: No such catalog.
        CatalogError: Damaged, or no catalog.
    """
    if spatial:
        from ..io import spatial_query

        with spatial_query.asked(path, sql, parameters, time_limit_s=time_limit_s) as found:
            yield Asked(*found)
        return
    with query.read_only(path) as connection:
        systems = query.reference_systems(connection)
    answering = sql_apart.asked if apart else _asked_here
    with answering(path, sql, parameters, time_limit_s=time_limit_s) as answer:
        yield Asked(answer, systems)


def _asked_here(
    path: str | os.PathLike[str], sql: str, parameters: Parameters, *, time_limit_s: float
) -> AbstractContextManager[Answer]:
    from ..io.spatial_functions import register

    return query.asked(path, sql, parameters, time_limit_s=time_limit_s, functions=register)


def dicts(
    path: str | os.PathLike[str], sql: str, parameters: Parameters = (), *, spatial: bool = False
) -> list[dict[str, Any]]:
    """Return the rows of an answer as dictionaries; see :func:`ask`."""
    if not isinstance(sql, str):
        raise UsageError(f"SQL is a text, not {type(sql).__name__}")
    with ask(path, sql, parameters, spatial=spatial) as asked:
        return asked.answer.kept().dicts()


def save(path: str | os.PathLike[str], name: str, sql: str) -> str | None:
    """Keep a question in a catalog as a view of this name; replaces a saved one.

    Returns:
        Why other programs do not list a view that looks as if they could; None where they do.

    Raises:
        UsageError: The SQL is no SELECT or has parameters, or something else has the name.
        CatalogError: The catalog cannot be written; busy while a run writes it.
    """
    from ..catalog.store import Catalog
    from ..io.spatial_functions import register

    with query.read_only(path) as opened:
        bare = statement.bare(query.whole_statement(opened, sql))
    with sql_apart.asked(path, f"SELECT * FROM ({bare}\n) LIMIT 0") as answer:
        columns = answer.columns
    seen = _seen(path, bare, columns)
    with Catalog(Path(path)) as catalog, catalog.transaction() as connection:
        register(connection)
        return saved_queries.save(connection, name, bare, seen)


def _seen(path: str | os.PathLike[str], bare: str, columns: Sequence[str]) -> Seen:
    """Return what the answer to a question is like."""
    try:
        with query.asked(path, f"SELECT * FROM ({bare}\n) LIMIT 0"):
            pass
    except UsageError:
        return Seen(hidden="it needs functions that they do not have")
    key = quote(columns[0])
    shape = "geom" if "geom" in columns else "NULL"
    facts = (
        f"SELECT count(*) = count(DISTINCT {key}) AND count(*) = count({key}),"
        f" min(ST_SRID({shape})), max(ST_SRID({shape})), min(ST_Is3D({shape})),"
        f" max(ST_Is3D({shape})) FROM ({bare}\n)"
    )
    try:
        with sql_apart.asked(path, facts) as answer:
            ((is_key, srs_id, other, flat, high),) = answer.rows
    except UsageError as error:
        return Seen(hidden=f"what they must know could not be worked out: {error}")
    if srs_id != other:
        return Seen(hidden=f"its geometries are of reference systems {srs_id} and {other}")
    has_z = bool(flat) if flat == high else None
    return Seen(is_key=bool(is_key), srs_id=srs_id, has_z=has_z)


def forget(path: str | os.PathLike[str], name: str) -> None:
    """Remove a saved question.

    Raises:
        UsageError: None has that name.
        CatalogError: The catalog cannot be written; busy while a run writes it.
    """
    from ..catalog.store import Catalog

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
