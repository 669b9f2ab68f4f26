"""Datasets and output layers as a catalog has them; images fetched from their source again."""

import json
from pathlib import Path

from ..catalog import query as catalog_query
from ..catalog.errors import ItemError, UsageError
from ..catalog.records import Dataset, Item
from ..io.content import digest
from ..io.sources import Fetch


def datasets(catalog: Path) -> dict[int, Dataset]:
    """Return the datasets of a catalog by their number."""
    names = ("kind", "uri", "layer", "attachment_table", "key_field", "driver", "geometry_type")
    rows = catalog_query.query(catalog, f"SELECT id, options, {', '.join(names)} FROM datasets")
    return {
        row["id"]: Dataset(
            id=row["id"],
            options=json.loads(row["options"]),
            **{name: row[name] for name in names},
        )
        for row in rows.dicts()
    }


def output_layers(catalog: Path, layer: str | None) -> list[tuple[str, int]]:
    """Return (output feature class, dataset) of a catalog, dataset by dataset.

    Args:
        catalog: The catalog.
        layer: Only this output feature class.

    Raises:
        UsageError: There is none.
    """
    tables = catalog_query.query(
        catalog, "SELECT table_name, dataset_id FROM result_layers ORDER BY dataset_id, id"
    ).rows
    chosen = [(name, number) for name, number in tables if (layer or name).lower() == name.lower()]
    if not chosen:
        listed = ", ".join(dict.fromkeys(table[0] for table in tables)) or "none"
        raise UsageError(
            f"no output feature class {layer or ''} in {catalog.name}; there are {listed}"
        )
    return chosen


def fetched(fetch: Fetch, item: Item) -> Path | bytes:
    """Return an image from its source, as it was when it was scanned.

    Raises:
        ItemError: It is gone, or another one now.
    """
    if item.sha256 is None:
        raise ItemError(f"{item.reason or 'had no bytes'}, when it was scanned")
    content = fetch(item)
    if digest(content) != item.sha256:
        raise ItemError("has changed since it was scanned; scan again")
    return content
