"""Datasets as a catalog has them, to fetch their images again."""

import json
from pathlib import Path

from ..catalog import query as catalog_query
from ..catalog.records import Dataset


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
