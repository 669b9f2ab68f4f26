"""A process that asks GDAL, and SpatiaLite in it, one question about a copy of a catalog.

``python -m pixelcat.io.spatial_worker``.
"""

from collections.abc import Iterator
from typing import Any

import pyogrio

from ..catalog.errors import UsageError
from .spatial_values import rows
from .sql_told import answer, batches, limit, request, tell


def main() -> None:
    """Answer the question."""
    question = request()
    limit(question["seconds"], question["bytes"])
    tell(started=True)
    answer(_answered(question))


def _answered(question: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        _, _, _, texts = pyogrio.raw.read(question["copy"], sql=question["sql"])
        yield from batches(rows(texts))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise UsageError(f"sql: {_plainly(str(error))}") from error


def _plainly(message: str) -> str:
    """Return what SQLite said, without GDAL's words around it and the statement in them."""
    told = " ".join(message.split())
    _, called, after = told.partition("In ExecuteSQL(): sqlite3_")
    told = (after.rpartition("): ")[2] if called else told)[:300]
    return "needs too much memory; narrow the query" if told == "out of memory" else told


if __name__ == "__main__":
    main()
