"""What output tables were built from: as long as that stays, they are not written again."""

import json
import sqlite3
from collections.abc import Sequence

from . import media, result_layers

_FORM = 2
"""Of the tables; to be raised where the same sources and outputs give other rows or columns."""
_OUTPUTS = """
SELECT count(*), sum(o.id) FROM outputs o JOIN items i ON i.id = o.item_id
WHERE o.is_current AND o.run_id IN (SELECT id FROM runs WHERE model_id = :model)
  AND i.dataset_id IN (SELECT value FROM json_each(:datasets))
"""


def is_up_to_date(
    connection: sqlite3.Connection, table: str, model_id: int, *, embed: bool
) -> bool:
    """Return whether writing an output feature class and its summary anew would change nothing.

    Args:
        connection: Of the catalog.
        table: The output feature class.
        model_id: Whose outputs it shows.
        embed: Whether it is to have media.
    """
    if (embed and not media.names(connection, table)) or media.missing(connection, table):
        return False
    known = connection.execute(
        "SELECT DISTINCT built_from FROM result_layers WHERE table_name = ?", (table,)
    ).fetchall()
    return known == [(_state(connection, table, model_id),)]


def remember(connection: sqlite3.Connection, tables: Sequence[str], run_id: int) -> None:
    """Note what output feature classes have just been built from."""
    (model_id,) = connection.execute("SELECT model_id FROM runs WHERE id = ?", (run_id,)).fetchone()
    connection.executemany(
        "UPDATE result_layers SET built_from = ? WHERE table_name = ?",
        [(_state(connection, table, model_id), table) for table in tables],
    )


def _state(connection: sqlite3.Connection, table: str, model_id: int) -> str:
    """Return what differs after anything has changed that a table shows, or the table itself.

    An output that changes is another row, and a dataset has another ``added_at`` as soon as
    anything of it differs. Programs that edit a table note it in ``last_change``.
    """
    datasets = json.dumps(result_layers.members(connection, table))
    scans = connection.execute(
        "SELECT id, added_at FROM datasets WHERE id IN (SELECT value FROM json_each(?))"
        " ORDER BY id",
        (datasets,),
    )
    outputs = connection.execute(_OUTPUTS, {"model": model_id, "datasets": datasets})
    tables = [table, f"{table}_summary", *media.names(connection, table)]
    present = connection.execute(
        "SELECT table_name, last_change FROM gpkg_contents WHERE table_name IN"
        " (SELECT name FROM sqlite_master JOIN json_each(?) ON value = name) ORDER BY 1",
        (json.dumps(tables),),
    )
    parts = [_FORM, datasets, scans.fetchall(), outputs.fetchone(), present.fetchall()]
    return json.dumps(parts)
