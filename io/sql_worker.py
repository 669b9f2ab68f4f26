"""A process that asks a catalog one question: ``python -m pixelcat.io.sql_worker``."""

from collections.abc import Iterator
from typing import Any

from ..catalog.query import asked
from .spatial_functions import register
from .sql_told import answer, batches, limit, request, tell


def main() -> None:
    """Answer the question."""
    question = request()
    limit(question["seconds"], question["bytes"])
    tell(started=True)
    answer(_answered(question))


def _answered(question: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with asked(
        question["path"],
        question["sql"],
        question["parameters"],
        time_limit_s=question["seconds"],
        functions=register,
        memory_limit_bytes=question["bytes"],
    ) as found:
        yield {"columns": found.columns}
        yield from batches(found.rows)


if __name__ == "__main__":
    main()
