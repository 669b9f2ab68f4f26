"""Datasets and output layers as a catalog has them; images fetched from their source again."""

import json
from collections.abc import Sequence
from pathlib import Path

from ..catalog import query as catalog_query
from ..catalog.errors import CatalogError, ItemError, UsageError
from ..catalog.records import Dataset, Item
from ..io.content import digest
from ..io.sources import Fetch


def datasets(catalog: Path) -> dict[int, Dataset]:
    """Return the datasets of a catalog by their number.

    Raises:
        CatalogError: What it says of them makes no sense.
    """
    names = ("kind", "uri", "layer", "attachment_table", "key_field", "driver", "geometry_type")
    rows = catalog_query.query(catalog, f"SELECT id, options, {', '.join(names)} FROM datasets")
    try:
        return {
            row["id"]: Dataset(
                id=row["id"],
                options=dict(json.loads(row["options"])),
                **{name: row[name] for name in names},
            )
            for row in rows.dicts()
        }
    except (ValueError, TypeError) as error:
        raise CatalogError(f"{catalog.name}: options of datasets are no JSON objects") from error


def output_layers(catalog: Path, layer: str | Sequence[str]) -> list[tuple[str, int]]:
    """Return (output feature class, dataset) of a catalog, dataset by dataset.

    Args:
        catalog: The catalog.
        layer: Only this output feature class, or these; none for all.

    Raises:
        UsageError: There is none.
    """
    wanted = [layer] if isinstance(layer, str) else layer
    tables = catalog_query.query(
        catalog, "SELECT table_name, dataset_id FROM result_layers ORDER BY dataset_id, id"
    ).rows
    known = {name.lower() for name, _ in tables}
    absent = [name for name in wanted if name.lower() not in known]
    if absent or not tables:
        named = f" {', '.join(absent)}" if absent else ""
        listed = ", ".join(dict.fromkeys(table[0] for table in tables)) or "none"
        raise UsageError(f"no output feature class{named} in {catalog.name}; there are {listed}")
    chosen = {name.lower() for name in wanted} or known
    return [(name, number) for name, number in tables if name.lower() in chosen]


def fetched(fetch: Fetch, item: Item) -> Path | bytes:
    """Return an image from its source, as it was when it was scanned.

    Raises:
        ItemError: It is gone, or another one now.
    """
    if item.sha256 is None:
        raise ItemError(f"{item.reason or 'had no bytes'}, when it was scanned")
    content = fetch(item)
    if not isinstance(content, Path | bytes):
        raise ItemError("is no file; it is made of others, or comes from a service")
    if digest(content) != item.sha256:
        raise ItemError("has changed since it was scanned; scan again")
    return content
