"""Which output tables show which datasets, by which model; and what they are called."""

import sqlite3
from collections.abc import Sequence
from pathlib import PurePath

from . import geopackage, layer_styles, media

_SUFFIXES = ("", "_summary")


def claim(
    connection: sqlite3.Connection, dataset_id: int, run_id: int, name: str | None
) -> tuple[str, str | None]:
    """Decide which table shows a dataset, and write it down.

    A name that an output table of the same model has means that table; one that another
    table has gets a number.

    Returns:
        The table, and the one that showed the dataset until now, where that is another.
    """
    model_id = _model(connection, run_id)
    keys = (dataset_id, model_id)
    owned = connection.execute(
        "SELECT table_name FROM result_layers WHERE dataset_id = ? AND model_id = ?", keys
    ).fetchone()
    before = owned and str(owned[0])
    if name is not None:
        table = _table_of_name(connection, name, model_id)
    else:
        table = before or geopackage.free_name(
            connection, _default_name(connection, dataset_id), _SUFFIXES
        )
    if table == before:
        connection.execute(
            "UPDATE result_layers SET run_id = ? WHERE dataset_id = ? AND model_id = ?"
            " AND run_id != ?",
            (run_id, *keys, run_id),
        )
        return table, None
    connection.execute("DELETE FROM result_layers WHERE dataset_id = ? AND model_id = ?", keys)
    connection.execute(
        "INSERT INTO result_layers (dataset_id, model_id, run_id, table_name, summary_name)"
        " VALUES (?, ?, ?, ?, ?)",
        (*keys, run_id, table, f"{table}_summary"),
    )
    return table, before


def members(connection: sqlite3.Connection, table: str) -> list[int]:
    """Return the datasets that a table shows, in the order in which they came."""
    rows = connection.execute(
        "SELECT dataset_id FROM result_layers WHERE table_name = ? ORDER BY id", (table,)
    )
    return [row[0] for row in rows]


def named(connection: sqlite3.Connection, hashes: tuple[str, str], name: str) -> list[int]:
    """Return the datasets of the table that a name would mean for a model."""
    model = connection.execute(
        "SELECT id FROM models WHERE definition_sha256 = ? AND weights_sha256 = ?", hashes
    ).fetchone()
    return [] if model is None else members(connection, _table_of_name(connection, name, model[0]))


def drop(connection: sqlite3.Connection, table: str) -> None:
    """Remove a table that shows nothing any more, with its summary and media."""
    media.forget(connection, table)
    for suffix in _SUFFIXES:
        geopackage.drop_table(connection, table + suffix)
        layer_styles.forget(connection, table + suffix)


def source_names(places: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name for each (path, layer), as short as tells them apart."""
    for form in ("{file}", "{file}/{layer}", "{path}"):
        names = [
            form.format(file=PurePath(path).name, layer=layer, path=path) for path, layer in places
        ]
        if len(set(names)) == len(names):
            return names
    return [f"{path}/{layer}" for path, layer in places]


def _model(connection: sqlite3.Connection, run_id: int) -> int:
    row = connection.execute("SELECT model_id FROM runs WHERE id = ?", (run_id,)).fetchone()
    return int(row[0])


def _table_of_name(connection: sqlite3.Connection, name: str, model_id: int) -> str:
    """Return the table of this model that has a name, or a free name."""
    ours = {
        row[0].lower(): str(row[0])
        for row in connection.execute(
            "SELECT table_name FROM result_layers WHERE model_id = ?", (model_id,)
        )
    }
    return geopackage.free_name(connection, name, _SUFFIXES, ours)


def _default_name(connection: sqlite3.Connection, dataset_id: int) -> str:
    layer, uri = connection.execute(
        "SELECT layer, uri FROM datasets WHERE id = ?", (dataset_id,)
    ).fetchone()
    return f"{layer or PurePath(uri).name}_classified"
