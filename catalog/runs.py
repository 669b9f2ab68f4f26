"""Runs and their outputs: what is pending, what became of each item."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import extra_rasters
from .database import Database
from .ingest import now
from .ingest_items import LEFT, is_gone
from .listed_rasters import is_there
from .records import ClassDefinition, ClassStat, Output, SqlValue
from .remembered import datasets_of, with_earlier

ITEM_COLUMNS = (
    "i.id, i.dataset_id, i.kind, i.source_key, i.name, i.content_type, i.byte_size,"
    " i.sha256, i.width, i.height, i.bands, i.dtype, i.orientation"
)
"""What the loop needs to know of an item."""
OF_DATASETS = "i.dataset_id IN (SELECT value FROM json_each(:datasets))"
WITHOUT_OUTPUT = (
    "NOT EXISTS (SELECT 1 FROM outputs o WHERE o.run_id = :run AND o.item_id = i.id"
    " AND o.item_sha256 IS i.sha256)"
)
_GONE = is_gone("i.reason")
_OF_MODEL = "(SELECT b.id FROM runs a JOIN runs b ON b.model_id = a.model_id WHERE a.id = :run)"
"""The run and the others of its model."""
_CLASSIFIED = (
    "EXISTS (SELECT 1 FROM outputs o WHERE o.item_id = i.id AND o.is_current"
    f" AND o.status = 'done' AND o.run_id IN {_OF_MODEL})"
)
_DONE_BY_OTHERS = (
    "SELECT 1 FROM outputs WHERE item_id = :item AND is_current AND status = 'done'"
    f" AND item_sha256 = :sha256 AND run_id IN {_OF_MODEL}"
)
OTHER_OF_SAME_CONTENT = (
    "j.sha256 = i.sha256 AND j.id != i.id AND j.transform IS NULL AND i.transform IS NULL"
)
"""Copies of a photo; the same bytes at two places on the ground are two images."""
_TOGETHER = 100
"""Rows of one statement."""


def add_model(
    db: Database,
    model: Mapping[str, str],
    definition: Mapping[str, Any],
    classes: Sequence[ClassDefinition],
) -> int:
    """Return the id of a model, writing it and its classes where it is new."""
    known = db.execute(
        "SELECT id FROM models WHERE definition_sha256 = ? AND weights_sha256 = ?",
        (model["definition_sha256"], model["weights_sha256"]),
    ).fetchone()
    if known:
        return int(known[0])
    table = db.table("models").insert({**model, "definition": json.dumps(definition)})
    model_id = int(str(table.last_pk))
    db.table("classes").insert_all(
        {
            "model_id": model_id,
            "value": each.value,
            "name": each.name,
            "color": "#{:02x}{:02x}{:02x}".format(*each.color),
        }
        for each in classes
    )
    return model_id


def find(
    connection: sqlite3.Connection, model: tuple[str, str], options: Mapping[str, Any]
) -> int | None:
    """Return the latest run of a model (definition hash, weights hash) with these options."""
    row = connection.execute(
        "SELECT max(r.id) FROM runs r JOIN models m ON m.id = r.model_id"
        " WHERE m.definition_sha256 = ? AND m.weights_sha256 = ? AND r.options = ?",
        (*model, json.dumps(options, sort_keys=True)),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def start(
    db: Database,
    run: Mapping[str, Any],
    options: Mapping[str, Any],
    software: Mapping[str, str],
    *,
    force: bool,
) -> int:
    """Return the id of the run to go on with, or of a new one."""
    text = json.dumps(options, sort_keys=True)
    known, before = db.execute(
        "SELECT max(id), command FROM runs WHERE model_id = ? AND options = ?",
        (run["model_id"], text),
    ).fetchone()
    goes_on = known is not None and not force
    command = run["command"] and with_earlier(run["command"], before if goes_on else None)
    if goes_on:
        db.execute(
            "UPDATE runs SET status = 'running', command = coalesce(?, command) WHERE id = ?",
            (command, known),
        )
        return int(known)
    row = {
        **run,
        "command": command,
        "options": text,
        "software": json.dumps(software),
        "started_at": now(),
        "status": "running",
    }
    return int(str(db.table("runs").insert(row).last_pk))


def finish(connection: sqlite3.Connection, run_id: int, status: str) -> None:
    """Close a run; one that has ended so before stays as it is."""
    connection.execute(
        "UPDATE runs SET status = ?, finished_at = ? WHERE id = ? AND status != ?",
        (status, now(), run_id, status),
    )


def asked_for(connection: sqlite3.Connection, run_id: int) -> list[int]:
    """Return the ids of the datasets of all inputs that a run was asked for."""
    (command,) = connection.execute("SELECT command FROM runs WHERE id = ?", (run_id,)).fetchone()
    of_outputs = connection.execute(
        "SELECT DISTINCT i.dataset_id FROM outputs o JOIN items i ON i.id = o.item_id"
        " WHERE o.run_id = ?",
        (run_id,),
    )
    return sorted(datasets_of(command) | {row[0] for row in of_outputs})


def settle_unusable(
    connection: sqlite3.Connection, run_id: int, dataset_ids: Sequence[int]
) -> None:
    """Record ``skipped`` or ``failed`` for every item that is not ready.

    Such an output has no ``item_sha256``: the item is pending as soon as it is ready. An item
    that has left its source fails where the model has a class map of it, and else is forgotten,
    as is one that another layer has now.
    """
    named = {"run": run_id, "datasets": json.dumps(list(dataset_ids)), "left": LEFT}
    connection.execute(
        f"DELETE FROM outputs AS o WHERE o.run_id IN {_OF_MODEL} AND EXISTS"
        f" (SELECT 1 FROM items i WHERE i.id = o.item_id AND {_GONE} AND {OF_DATASETS}"
        "  AND (i.reason != :left OR o.status != 'done' AND o.reason != :left))",
        named,
    )
    items = connection.execute(
        "SELECT i.id, CASE i.status WHEN 'skipped' THEN 'skipped' ELSE 'failed' END, i.reason"
        f" FROM items i WHERE i.status != 'ready' AND {OF_DATASETS} AND"
        f" (NOT {_GONE} OR i.reason = :left AND {_CLASSIFIED})"
        " AND NOT EXISTS (SELECT 1 FROM outputs o WHERE o.run_id = :run AND o.item_id = i.id"
        " AND o.item_sha256 IS NULL AND o.reason = i.reason)",
        named,
    ).fetchall()
    for item_id, status, reason in items:
        record(connection, run_id, Output(item_id=item_id, status=status, reason=reason))


def forget_lost_outputs(connection: sqlite3.Connection, run_id: int, folder: Path) -> int:
    """Delete the outputs of which a raster file is gone, so that their items are pending again."""
    files = connection.execute(
        "SELECT id, raster_path FROM outputs WHERE run_id = :run AND status = 'done' UNION ALL"
        " SELECT o.id, e.raster_path FROM extra_rasters e JOIN outputs o ON o.id = e.output_id"
        " WHERE o.run_id = :run",
        {"run": run_id},
    )
    lost = {(output_id,) for output_id, path in files if not is_there(folder, path)}
    connection.executemany("DELETE FROM outputs WHERE id = ?", lost)
    return len(lost)


def record(connection: sqlite3.Connection, run_id: int, output: Output) -> None:
    """Write an output with its class statistics and make it the current one of its model.

    Where it is none because the same bytes could not be classified this time, with other
    arguments, what another run made of them stays current.
    """
    connection.execute(
        "DELETE FROM outputs WHERE run_id = ? AND item_id = ?", (run_id, output.item_id)
    )
    named = {"item": output.item_id, "run": run_id, "sha256": output.item_sha256}
    kept = output.status != "done" and connection.execute(_DONE_BY_OTHERS, named).fetchone()
    if not kept:
        connection.execute(
            "UPDATE outputs SET is_current = 0 WHERE item_id = :item AND is_current"
            f" AND run_id IN {_OF_MODEL}",
            named,
        )
    dominant = output.dominant
    values = {
        "run_id": run_id,
        "item_id": output.item_id,
        "item_sha256": output.item_sha256,
        "status": output.status,
        "reason": output.reason,
        "raster_path": output.raster_path,
        "sha256": output.sha256,
        "width": output.width,
        "height": output.height,
        "valid_pixels": output.valid_pixels,
        "dominant_class": dominant.name if dominant else None,
        "dominant_share": dominant.fraction if dominant else None,
        "mean_confidence": output.mean_confidence,
        "seconds": output.seconds,
        "is_current": not kept,
    }
    marks = ", ".join("?" for _ in values)
    cursor = connection.execute(
        f"INSERT INTO outputs ({', '.join(values)}) VALUES ({marks})", tuple(values.values())
    )
    output_id = cursor.lastrowid or 0
    for start in range(0, len(output.stats), _TOGETHER):
        _write_stats(connection, output_id, output.stats[start : start + _TOGETHER])
    extra_rasters.write(connection, output_id, output.extras)


def _write_stats(
    connection: sqlite3.Connection, output_id: int, stats: Sequence[ClassStat]
) -> None:
    marks = ",".join(["(?,?,?,?,?,?,?)"] * len(stats))
    values: list[SqlValue] = []
    for s in stats:
        values += (output_id, s.value, s.name, s.pixels, s.fraction, s.area_m2, s.mean_confidence)
    connection.execute(
        "INSERT INTO class_stats (output_id, value, name, pixels, fraction, area_m2,"
        f" mean_confidence) VALUES {marks}",
        values,
    )
