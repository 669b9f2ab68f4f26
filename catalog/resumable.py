"""Which runs of a catalog can go on, and what they were asked for."""

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .pending import size
from .query import read_only
from .remembered import commands_of, read
from .runs import asked_for

_RUNS = """
SELECT r.id, m.name AS model, r.status, r.started_at, {command} AS command,
  m.definition_sha256, m.weights_sha256,
  (SELECT max(n.id) FROM runs n WHERE n.model_id = r.model_id AND n.options = r.options) AS newest,
  (SELECT count(*) FROM outputs o WHERE o.run_id = r.id AND o.status = 'failed') AS failed
FROM runs r JOIN models m ON m.id = r.model_id ORDER BY r.id
"""

_WITHOUT_OUTPUTS = """
WITH unused AS MATERIALIZED (
  SELECT d.id, d.uri FROM datasets d WHERE NOT EXISTS (
    SELECT 1 FROM items i JOIN outputs o ON o.item_id = i.id WHERE i.dataset_id = d.id))
SELECT u.id, u.uri, count(*) FROM unused u JOIN items i ON i.dataset_id = u.id
WHERE i.status = 'ready' GROUP BY u.id ORDER BY u.id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """A run as a catalog has it."""

    id: int
    model: str
    status: str
    started_at: str
    command: dict[str, Any] | None
    """What was asked for last; None where an older pixelcat did not remember it."""
    hashes: tuple[str, str]
    """Of definition and weights of its model."""
    newest: int
    """The newest run with the same model and options: where it is another one, it replaced this."""
    failed: int
    """Images that failed."""
    pending: int = 0
    """Images of its inputs that have no output yet, where it can go on."""

    @property
    def can_go_on(self) -> bool:
        """Whether it was stopped or killed, or has something to be made again."""
        return self.status != "finished" and self.newest == self.id


def runs_of(path: str | os.PathLike[str]) -> list[RunRow]:
    """Return the runs of a catalog, the oldest first.

    Raises:
        SourceError: No such catalog.
        CatalogError: Damaged, or no catalog.
    """
    with read_only(path) as connection:
        has_command = connection.execute(
            "SELECT count(*) FROM pragma_table_info('runs') WHERE name = 'command'"
        ).fetchone()[0]
        connection.row_factory = sqlite3.Row
        rows = connection.execute(_RUNS.format(command="r.command" if has_command else "NULL"))
        found = [_row(row) for row in rows]
        if not has_command:
            return found
        connection.row_factory = None
        return [_counted(connection, each) if each.can_go_on else each for each in found]


def without_run(path: str | os.PathLike[str], runs: Sequence[RunRow]) -> list[tuple[str, int]]:
    """Return the inputs that no run was asked for, each with its number of usable images.

    Those of ``scan -o``, and of a command that was killed before its model was loaded.

    Args:
        path: The catalog.
        runs: All of its runs.
    """
    commands = (each for run in runs for each in commands_of(run.command))
    known = {id_ for each in commands for id_ in each.get("datasets", ())}
    with read_only(path) as connection:
        rows = connection.execute(_WITHOUT_OUTPUTS).fetchall()
    return [(uri, count) for id_, uri, count in rows if id_ not in known]


def _counted(connection: sqlite3.Connection, run: RunRow) -> RunRow:
    pending, _ = size(connection, run.id, asked_for(connection, run.id))
    return replace(run, pending=pending)


def _row(row: sqlite3.Row) -> RunRow:
    names = ("id", "model", "status", "started_at", "newest", "failed")
    return RunRow(
        **{name: row[name] for name in names},
        command=read(row["command"]),
        hashes=(row["definition_sha256"], row["weights_sha256"]),
    )
