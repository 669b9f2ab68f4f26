"""What a run leaves for people: output feature classes, numbers, failures and notes."""

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
    rows = catalog.query(
        "SELECT o.status, o.reason, o.is_current, o.item_sha256, d.layer, i.name, i.source_key,"
        " i.kind, i.status AS item, i.reason AS remark FROM outputs o"
        " JOIN items i ON i.id = o.item_id JOIN datasets d ON d.id = i.dataset_id"
        f" WHERE o.run_id = ? AND d.id IN ({', '.join('?' for _ in datasets)})"
        " ORDER BY o.item_id",
        (run["id"], *datasets),
    )
    states = [row["status"] for row in rows]
    said = [d.options["note"] for d in datasets.values() if "note" in d.options]
    said += [
        f"{row['name']}: {row['remark']}"
        for row in rows
        if row["kind"] == "mosaic" and row["item"] == "ready" and row["remark"]
    ]
    return Run(
        catalog=catalog.path,
        **run,
        done=states.count("done"),
        failed=states.count("failed"),
        skipped=states.count("skipped"),
        layers=tuple(layers),
        failures=tuple(_failure(row) for row in rows if row["status"] == "failed"),
        notes=(*notes, *_skipped(rows), *_kept(rows), *said),
    )


def _skipped(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say why images were skipped that could have been classified, of each kind the first."""
    skipped = [
        row["reason"] for row in rows if row["status"] == "skipped" and row["item"] == "ready"
    ]
    kinds = Counter(reason.partition(": it covers")[0] for reason in skipped)
    first = {kind: next(each for each in skipped if each.startswith(kind)) for kind in kinds}
    return [f"{count} skipped: {first[kind]}" for kind, count in kinds.most_common()]


def _kept(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how many images are shown as another run has them, since this one has no class map."""
    kept = sum(
        row["status"] != "done" and row["item_sha256"] is not None and not row["is_current"]
        for row in rows
    )
    return [f"{kept} not classified keep the class map of another run of this model"] * bool(kept)


def _failure(row: Mapping[str, Any]) -> Failure:
    is_raster = not row["layer"] or row["kind"] in ("member", "mosaic")
    place = row["source_key"] if is_raster else f"{row['layer']} attachment {row['source_key']}"
    image = place if row["name"] in place else f"{place} ({row['name']})"
    return Failure(image=image, reason=row["reason"])
