"""Putting right what an open catalog says of its outputs: what is to be made again."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .ingest_items import is_gone
from .records import Dataset
from .runs import OF_DATASETS
from .store import Catalog

_UNREADABLE = f"status NOT IN ('ready', 'skipped') AND NOT {is_gone('reason')}"


def forget_failures(
    catalog: Catalog,
    hashes: tuple[str, str],
    options: Mapping[str, Any],
    datasets: Sequence[Dataset],
) -> None:
    """Return failed items to pending, before their datasets are added once more.

    Those that could not be used when they were scanned are looked at again by the next scan.

    Args:
        catalog: An open catalog.
        hashes: Of definition and weights of the model.
        options: Of the run.
        datasets: As a scan has them; what the catalog does not know yet has no failures.
    """
    run_id = catalog.find_run(*hashes, options)
    with catalog.transaction() as connection:
        for each in datasets:
            key = {"uri": each.uri, "layer": each.layer, "run": run_id}
            connection.execute(
                "UPDATE datasets SET fingerprint = NULL WHERE uri = :uri AND layer = :layer AND id IN"
                f" (SELECT dataset_id FROM items WHERE {_UNREADABLE})",
                key,
            )
            connection.execute(
                "DELETE FROM outputs WHERE run_id = :run AND status = 'failed' AND item_id IN"
                " (SELECT i.id FROM items i JOIN datasets d ON d.id = i.dataset_id"
                "  WHERE d.uri = :uri AND d.layer = :layer AND i.status = 'ready')",
                key,
            )


def forget_outdated(catalog: Catalog, run_id: int, dataset_ids: Sequence[int]) -> None:
    """Forget what a run has of images that have changed since.

    Their class maps are about to be replaced: whoever is killed between a file and its row would
    leave a row whose file is another.
    """
    with catalog.transaction() as connection:
        connection.execute(
            "DELETE FROM outputs WHERE run_id = :run AND status = 'done' AND EXISTS"
            f" (SELECT 1 FROM items i WHERE i.id = item_id AND i.status = 'ready' AND {OF_DATASETS}"
            "  AND i.sha256 IS NOT item_sha256)",
            {"run": run_id, "datasets": json.dumps(list(dataset_ids))},
        )


def outdated_rasters(catalog: Catalog, dataset_ids: Sequence[int]) -> set[str]:
    """Return the paths of rasters of images that have changed since, or cannot be had any more."""
    rows = catalog.query(
        "WITH outdated AS (SELECT o.id, o.raster_path FROM outputs o JOIN items i ON i.id = o.item_id"
        f" WHERE o.status = 'done' AND {OF_DATASETS}"
        "  AND (i.status != 'ready' OR i.sha256 IS NOT o.item_sha256))"
        " SELECT raster_path AS path FROM outdated UNION"
        " SELECT raster_path FROM extra_rasters WHERE output_id IN (SELECT id FROM outdated)",
        {"datasets": json.dumps(list(dataset_ids))},
    )
    return {row["path"] for row in rows}


def unlisted(catalog: Catalog, paths: Collection[str]) -> set[str]:
    """Return those paths of rasters that no output names any more, of whatever run."""
    listed = catalog.query(
        "WITH asked AS (SELECT value FROM json_each(:paths))"
        " SELECT raster_path AS path FROM outputs WHERE raster_path IN asked UNION"
        " SELECT raster_path FROM extra_rasters WHERE raster_path IN asked",
        {"paths": json.dumps(list(paths))},
    )
    return set(paths) - {row["path"] for row in listed}


def return_to_pending(catalog: Catalog, outputs: Collection[int]) -> None:
    """Forget outputs, so that their items are pending, and mark their runs as stopped."""
    ids = [(each,) for each in outputs]
    with catalog.transaction() as connection:
        connection.executemany(
            "UPDATE runs SET status = 'stopped' WHERE id ="
            " (SELECT run_id FROM outputs WHERE id = ?)",
            ids,
        )
        connection.executemany("DELETE FROM outputs WHERE id = ?", ids)


def forget_mosaic(catalog: Catalog, run_id: int) -> None:
    """Let the index of a run's class rasters be written again, whatever it lists."""
    with catalog.transaction() as connection:
        connection.execute("UPDATE runs SET mosaic_of = NULL WHERE id = ?", (run_id,))


def remarks(catalog: Catalog) -> tuple[str, ...]:
    """Return what is to be said of the file itself."""
    mode = catalog.query("PRAGMA journal_mode")[0]["journal_mode"]
    if mode != "wal":
        return ()
    name = catalog.path.name
    said = (
        f"{name} is in WAL mode, as QGIS leaves files that it edits, and stays so: whoever copies it"
        f" while a program has it open copies {name}-wal too"
    )
    return (said,)
