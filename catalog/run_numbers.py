"""Runs that users name by their number."""

from pathlib import Path

from .errors import UsageError
from .query import query


def check_run(catalog: Path, run: int) -> None:
    """Refuse the number of a run that a catalog does not have.

    Raises:
        UsageError: There is no such run.
        SourceError: No such catalog.
    """
    if not query(catalog, "SELECT 1 FROM runs WHERE id = ?", (run,)).rows:
        raise UsageError(f"{catalog.name} has no run {run}")
