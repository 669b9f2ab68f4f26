"""SQL with the functions of SpatiaLite, asked of a copy of a catalog in another process.

GDAL, which brings SpatiaLite, never opens a live catalog (see :mod:`..catalog.lock`). The copy
bounds what hostile SQL can harm; before it gets there, Python's SQLite has compiled the
statement under the authorizer of :mod:`..catalog.guard`, with stand-ins for ``ST_*``.
"""

import base64
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pyproj import CRS

from ..catalog import geometry, guard
from ..catalog.errors import SourceError, UsageError
from ..catalog.query import TIME_LIMIT_S, Answer, Parameters, read_only, unique
from .spatial_functions import reference_systems

_UNKNOWN = re.compile(r"(?:no such function: |wrong number of arguments to function )(\w+)")
_SETTINGS = ("OGR_", "SPATIALITE_", "CPL_", "GDAL_")
"""Beginnings of the names of environment variables that could allow what we do not."""
_UNNUMBERED = 100_000
_OUT_OF_TIME = (-24, -9)
"""Exit codes of a process that has had all the processor time it may have: SIGXCPU, SIGKILL."""
_START_S = 15.0
"""What a process may take to start."""


def ask(
    path: str | os.PathLike[str],
    sql: str,
    parameters: Parameters = (),
    *,
    time_limit_s: float = TIME_LIMIT_S,
) -> tuple[Answer, dict[int, str]]:
    """Run one read-only statement with SpatiaLite's ``ST_*`` functions.

    Args:
        path: The catalog.
        sql: One statement.
        parameters: Values of ``?`` or ``:name`` in it.
        time_limit_s: Wall-clock seconds before the query is stopped.

    Returns:
        The answer, with geometries as GeoPackage blobs, and the reference systems they name.

    Raises:
        UsageError: The SQL is wrong, writes, or takes too long.
        SourceError: No such catalog.
    """
    with tempfile.TemporaryDirectory(prefix="pixelcat-") as folder:
        copy = Path(folder, "snapshot.gpkg")
        with read_only(path) as connection:
            systems = reference_systems(connection)
            _copy(connection, copy)
        with closing(sqlite3.connect(copy)) as connection:
            statement = _checked(connection, sql, parameters, time_limit_s)
        told = _run(copy, statement, time_limit_s)
    if "error" in told:
        raise UsageError(f"sql: {told['error']}")
    systems, srs_id = _numbered(systems, told["crs"])
    columns = unique(told["columns"])
    return Answer(columns=columns, rows=_rows(told, srs_id)), systems


def _copy(connection: sqlite3.Connection, copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as target:
            connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise SourceError(
            f"no room for a copy of the catalog in {copy.parent.parent}: {error};"
            " name another folder in TMPDIR"
        ) from error


def _checked(
    connection: sqlite3.Connection, sql: str, parameters: Parameters, time_limit_s: float
) -> str:
    """Return a statement with its parameters put in, after SQLite has compiled it to read only.

    Raises:
        UsageError: It is wrong or writes.
    """
    seen: list[str] = []
    geometry.register_functions(connection)
    guard.restrict(connection, time_limit_s)
    connection.set_progress_handler(lambda: 1, 1)  # stops before the first step
    connection.set_trace_callback(seen.append)
    while True:
        del seen[:]
        try:
            connection.execute(sql, parameters)
        except (sqlite3.Error, UnicodeError, OverflowError, MemoryError) as error:
            unknown = _UNKNOWN.match(str(error))
            if unknown and unknown[1].upper().startswith("ST_"):
                connection.create_function(unknown[1], -1, lambda *_: None)
                continue
            if not seen:
                raise guard.refusal(error, time_limit_s, None) or error from error
        if not seen or not re.match(r"\W*(select|with|values)\b", _bare(seen[0]), re.IGNORECASE):
            raise UsageError("sql: --spatial takes a SELECT")
        return seen[0]


def _bare(sql: str) -> str:
    """Return a statement without the remarks before it."""
    return re.sub(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)+", "", sql, flags=re.DOTALL)


def _run(copy: Path, sql: str, time_limit_s: float) -> dict[str, Any]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)
    }
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module
            [sys.executable, "-P", "-m", "pixelcat.io.spatial_worker", copy, str(time_limit_s)],
            input=sql.encode(),
            capture_output=True,
            check=False,
            timeout=time_limit_s + _START_S,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"stopped after {time_limit_s:g} s; narrow the query"}
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        if done.returncode in _OUT_OF_TIME:
            return {"error": f"stopped after {time_limit_s:g} s; narrow the query"}
        return {"error": f"GDAL gave up (exit code {done.returncode}); narrow the query"}
    return told


def _numbered(systems: dict[int, str], crs: str | None) -> tuple[dict[int, str], int]:
    """Return the reference systems with that of an answer, and its number."""
    if crs is None:
        return systems, -1
    code = re.fullmatch(r"EPSG:(\d+)", crs)
    number = int(code[1]) if code else _UNNUMBERED
    return {number: CRS.from_user_input(crs).to_wkt("WKT1_GDAL"), **systems}, number


def _rows(told: dict[str, Any], srs_id: int) -> Iterator[tuple[Any, ...]]:
    for row in told["rows"]:
        values = [
            base64.b64decode(value["base64"]) if isinstance(value, dict) else value for value in row
        ]
        index = told["geometry"]
        if index is not None and values[index] is not None:
            values[index] = geometry.encode(values[index], srs_id)
        yield tuple(values)
