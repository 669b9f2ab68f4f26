"""Photos that say where they were taken: a point feature for each of them."""

import json
import sqlite3
import struct
from dataclasses import asdict, replace

from . import geometry
from .records import Column, Dataset

_COLUMNS = (
    Column(name="path", sql_type="TEXT"),
    Column(name="taken_at", sql_type="TEXT"),
    Column(name="direction", sql_type="DOUBLE"),
)
"""Relative path, local time, and where the camera looked: degrees from north."""
_WGS84 = 4326


def add_points(connection: sqlite3.Connection, dataset: Dataset) -> Dataset:
    """Make a feature of each item with a position and link the two.

    Args:
        connection: A catalog in a transaction.
        dataset: One whose images belong to no features, with its items in the catalog.

    Returns:
        The dataset: a point layer now where any item has a position.
    """
    connection.execute("DELETE FROM features WHERE dataset_id = ?", (dataset.id,))
    photos = connection.execute(
        "SELECT id, source_key, taken_at, direction, lon, lat FROM items WHERE dataset_id = ?"
        " AND lon IS NOT NULL AND lat IS NOT NULL AND status = 'ready' ORDER BY id",
        (dataset.id,),
    ).fetchall()
    for item_id, path, taken_at, direction, lon, lat in photos:
        point = struct.pack("<BIdd", 1, 1, lon, lat)
        attributes = json.dumps({"path": path, "taken_at": taken_at, "direction": direction})
        row = connection.execute(
            "INSERT INTO features (geom, dataset_id, source_fid, attributes, source_geometry)"
            " VALUES (?, ?, ?, ?, ?) RETURNING fid",
            (geometry.encode(point, _WGS84), dataset.id, item_id, attributes, point),
        ).fetchone()
        connection.execute(
            "INSERT INTO features_items (base_id, related_id) VALUES (?, ?)", (row[0], item_id)
        )
    points = replace(dataset, geometry_type="POINT", columns=_COLUMNS) if photos else dataset
    connection.execute(
        "UPDATE datasets SET geometry_type = ?, columns = ?, srs_id = ? WHERE id = ?",
        (
            points.geometry_type,
            json.dumps([asdict(column) for column in points.columns]),
            _WGS84 if photos else None,
            dataset.id,
        ),
    )
    return points
