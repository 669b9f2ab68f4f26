"""What a run leaves for people: output feature classes, numbers, failures and notes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..catalog.feature_rows import GEOMETRY_HEADS
from ..catalog.geometry import CURVES, kind
from ..catalog.records import Dataset
from ..catalog.store import Catalog
from ..io.srs import reprojection
from .results import Failure, Run


def write_layers(
    catalog: Catalog,
    datasets: Sequence[Dataset],
    run_id: int,
    *,
    name: str | None,
    embed: bool,
) -> tuple[list[str], list[str]]:
    """Write the output feature classes of a run, and class maps into the catalog if asked.

    Returns:
        The tables, each followed by its summary; and what is to be said about them.
    """
    layers: dict[str, None] = {}
    notes: list[str] = []
    for dataset in datasets:
        if not dataset.is_feature_class:
            continue
        table, summary = catalog.write_feature_class(
            dataset.id or 0, run_id, name=name, embed=embed, reprojection=reprojection
        )
        layers |= dict.fromkeys((table, summary))
        if _has_measures(catalog, dataset.id or 0):
            notes.append(f"{table}: measures (M) of {dataset.layer} are left out")
    for table in list(layers)[::2]:
        if lost := catalog.without_media(table):
            notes.append(
                f"{table}: {lost} class maps are not embedded: their files are gone,"
                " or larger than SQLite takes"
            )
    if name and not layers:
        notes.append("no photo says where it was taken: there is no output feature class")
    if embed and not layers:
        notes.append("class maps are embedded in output feature classes, and there is none")
    return list(layers), notes


def _has_measures(catalog: Catalog, dataset_id: int) -> bool:
    kinds = [kind(row["head"]) for row in catalog.query(GEOMETRY_HEADS, (dataset_id,))]
    return any(each.has_m and each.number not in CURVES for each in kinds)


def report(
    catalog: Catalog,
    datasets: Mapping[int, Dataset],
    run: Mapping[str, Any],
    layers: Sequence[str],
    notes: Sequence[str],
) -> Run:
    """Count what became of the items of some datasets.

    Args:
        catalog: The catalog.
        datasets: By their number.
        run: The fields of :class:`Run` that the driver knows.
        layers: The tables written.
        notes: What is to be said.
    """
    ids = list(datasets)
    counts = {row["status"]: row["n"] for row in _of_run(catalog, run["id"], ids, _COUNTS)}
    said = [d.options["note"] for d in datasets.values() if "note" in d.options]
    said += [
        f"{row['name']}: {row['reason']}" for row in _of_run(catalog, run["id"], ids, _MOSAICS)
    ]
    return Run(
        catalog=catalog.path,
        **run,
        **{status: counts.get(status, 0) for status in ("done", "failed", "skipped")},
        layers=tuple(layers),
        failures=tuple(_failure(row) for row in _of_run(catalog, run["id"], ids, _FAILED)),
        notes=(
            *notes,
            *_skipped(_of_run(catalog, run["id"], ids, _SKIPPED)),
            *_kept(_of_run(catalog, run["id"], ids, _KEPT)),
            *said,
        ),
    )


_COUNTS = "SELECT o.status, count(*) AS n {} GROUP BY o.status"
_MOSAICS = (
    "SELECT i.name, i.reason {} AND i.kind = 'mosaic' AND i.status = 'ready'"
    " AND i.reason IS NOT NULL ORDER BY o.item_id"
)
_FAILED = (
    "SELECT o.reason, d.layer, i.name, i.source_key, i.kind {} AND o.status = 'failed'"
    " ORDER BY o.item_id"
)
_SKIPPED = (
    "SELECT o.reason, count(*) AS n {} AND o.status = 'skipped' AND i.status = 'ready'"
    " GROUP BY o.reason ORDER BY min(o.item_id)"
)
_KEPT = (
    "SELECT count(*) AS n {} AND o.status != 'done' AND o.item_sha256 IS NOT NULL"
    " AND NOT o.is_current"
)


def _of_run(
    catalog: Catalog, run_id: int, dataset_ids: Sequence[int], sql: str
) -> list[dict[str, Any]]:
    """Ask about the outputs of a run and their items; ``{}`` in the question stands for those."""
    outputs = (
        "FROM outputs o JOIN items i ON i.id = o.item_id JOIN datasets d ON d.id = i.dataset_id"
        " WHERE o.run_id = ? AND d.id IN (SELECT value FROM json_each(?))"
    )
    return catalog.query(sql.format(outputs), (run_id, json.dumps(dataset_ids)))


def _skipped(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say why images were skipped that could have been classified, of each kind the first."""
    kinds: Counter[str] = Counter()
    first: dict[str, str] = {}
    for row in rows:
        kind_of = row["reason"].partition(": it covers")[0]
        kinds[kind_of] += row["n"]
        first.setdefault(kind_of, row["reason"])
    return [f"{count} skipped: {first[each]}" for each, count in kinds.most_common()]


def _kept(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how many images are shown as another run has them, since this one has no class map."""
    kept = rows[0]["n"]
    return [f"{kept} not classified keep the class map of another run of this model"] * bool(kept)


def _failure(row: Mapping[str, Any]) -> Failure:
    is_raster = not row["layer"] or row["kind"] in ("member", "mosaic")
    place = row["source_key"] if is_raster else f"{row['layer']} attachment {row['source_key']}"
    image = place if row["name"] in place else f"{place} ({row['name']})"
    return Failure(image=image, reason=row["reason"])
