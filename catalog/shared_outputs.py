"""Outputs that an image gets without being classified: of a copy, or of an earlier run."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from . import extra_rasters
from .records import ClassStat, Output
from .runs import OF_DATASETS, OTHER_OF_SAME_CONTENT, WITHOUT_OUTPUT, record

_OF_EARLIER_RUNS = f"""
SELECT max(o.id) FROM items i JOIN outputs o ON o.item_id = i.id AND o.item_sha256 = i.sha256
  JOIN runs r ON r.id = o.run_id
  JOIN runs own ON own.id = :run AND own.model_id = r.model_id AND own.options = r.options
WHERE i.status = 'ready' AND {OF_DATASETS} AND i.dataset_id NOT IN
  (SELECT j.dataset_id FROM outputs x JOIN items j ON j.id = x.item_id WHERE x.run_id = :run)
GROUP BY i.id
"""


def adopt_outputs(connection: sqlite3.Connection, run_id: int, dataset_ids: Sequence[int]) -> None:
    """Give a run the outputs that an earlier one of the same model and options has.

    A forced run is of its own inputs: those of which it has nothing keep what they have.
    """
    found = connection.execute(
        _OF_EARLIER_RUNS, {"run": run_id, "datasets": json.dumps(list(dataset_ids))}
    ).fetchall()
    for (output_id,) in found:
        record(connection, run_id, _read_output(connection, output_id))


def share_outputs(connection: sqlite3.Connection, run_id: int, dataset_ids: Sequence[int]) -> None:
    """Give every photo without an output that of a photo with the same bytes."""
    copies = connection.execute(
        "SELECT i.id, min(o.id) FROM items i"
        f" JOIN items j ON {OTHER_OF_SAME_CONTENT}"
        " JOIN outputs o ON o.run_id = :run AND o.item_id = j.id AND o.item_sha256 = i.sha256"
        f" WHERE i.status = 'ready' AND {OF_DATASETS} AND {WITHOUT_OUTPUT} GROUP BY i.id",
        {"run": run_id, "datasets": json.dumps(list(dataset_ids))},
    ).fetchall()
    for item_id, output_id in copies:
        record(connection, run_id, replace(_read_output(connection, output_id), item_id=item_id))


def _read_output(connection: sqlite3.Connection, output_id: int) -> Output:
    names = (
        *("item_id", "item_sha256", "status", "reason", "raster_path", "sha256", "width"),
        *("height", "valid_pixels", "seconds"),
    )
    row = connection.execute(
        f"SELECT {', '.join(names)} FROM outputs WHERE id = ?", (output_id,)
    ).fetchone()
    stats = connection.execute(
        "SELECT value, name, pixels, fraction, area_m2, mean_confidence FROM class_stats"
        " WHERE output_id = ? ORDER BY id",
        (output_id,),
    )
    fields = ClassStat.__dataclass_fields__
    return Output(
        **dict(zip(names, row, strict=True)),
        stats=tuple(ClassStat(**dict(zip(fields, stat, strict=True))) for stat in stats),
        extras=extra_rasters.read(connection, output_id),
    )
