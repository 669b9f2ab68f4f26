"""The rows of output tables: what a source says of each feature, and what we found."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from . import geometry
from .ingest import from_json
from .records import CodedDomains, Column, SqlValue

NO_IMAGE = "no image attached to this feature"

GEOMETRY_HEADS = """
SELECT DISTINCT substr(source_geometry, 1, 5) AS head FROM features
WHERE dataset_id = ? AND length(source_geometry) >= 5
"""
"""What tells of which types the geometries of a source are."""
_FEATURES = (
    "SELECT fid, source_fid, attributes, source_geometry FROM features"
    " WHERE dataset_id = ? ORDER BY source_fid"
)
_IMAGES = """
SELECT l.base_id, i.id, i.source_key, i.name, o.raster_path,
  coalesce(o.status, 'skipped'), coalesce(o.reason, iif(o.id, NULL, 'not classified yet')),
  o.dominant_class, o.dominant_share, o.mean_confidence,
  iif(i.kind = 'file' AND i.status = 'ready', coalesce(json_extract(d.options, '$.root'),
    json_extract(d.options, '$.media'), d.uri), NULL)
FROM features f JOIN features_items l ON l.base_id = f.fid JOIN items i ON i.id = l.related_id
  JOIN datasets d ON d.id = i.dataset_id LEFT JOIN outputs o ON o.item_id = i.id AND o.is_current
    AND o.run_id IN (SELECT id FROM runs WHERE model_id = :model)
WHERE f.dataset_id = :dataset ORDER BY l.base_id, l.ordinal, l.id
"""
_SHARES = """
SELECT l.base_id, s.value, sum(s.pixels), sum(s.pixels * s.mean_confidence)
FROM features f JOIN features_items l ON l.base_id = f.fid
  JOIN outputs o ON o.item_id = l.related_id AND o.is_current
    AND o.run_id IN (SELECT id FROM runs WHERE model_id = :model)
  JOIN class_stats s ON s.output_id = o.id
WHERE f.dataset_id = :dataset GROUP BY l.base_id, s.value
"""


class Source(NamedTuple):
    """What the two tables copy from: a dataset, as one of those that a table shows."""

    id: int
    uri: str
    layer: str
    columns: Sequence[Column]
    domains: CodedDomains
    geometry_type: str | None
    has_z: bool | None
    srs_id: int
    definition: str
    """Of its reference system."""
    label: tuple[str, ...] = ()
    """Its name, where the table shows several."""
    move: Callable[[bytes], bytes] | None = None
    """What brings its geometries to the system of the table."""


class Model(NamedTuple):
    """By which model images are classified that the tables show."""

    id: int
    classes: tuple[tuple[int, str], ...]


def geometry_kinds(connection: sqlite3.Connection, dataset_id: int) -> set[geometry.Kind]:
    """Return of which types the geometries of a source are."""
    return {geometry.kind(head) for (head,) in connection.execute(GEOMETRY_HEADS, (dataset_id,))}


def _feature_rows(
    connection: sqlite3.Connection, source: Source
) -> Iterator[tuple[int, list[Any]]]:
    """Yield the id of each feature with its geometry, source columns, source and key."""
    for fid, source_fid, attributes, wkb in connection.execute(_FEATURES, (source.id,)):
        values: list[SqlValue] = from_json(attributes, source.columns)
        if source.geometry_type is not None:
            moved = source.move(wkb) if wkb and source.move else wkb
            values.insert(0, moved and geometry.encode(moved, source.srs_id))
        yield fid, [*values, *source.label, source_fid]


def _images(
    connection: sqlite3.Connection, source: Source, model: Model
) -> dict[int, list[tuple[Any, ...]]]:
    """Return the images of each feature: item id, key, name, the link columns, root of files."""
    images = defaultdict(list)
    for feature_id, *image in connection.execute(
        _IMAGES, {"dataset": source.id, "model": model.id}
    ):
        images[feature_id].append(tuple(image))
    return images


def image_rows(connection: sqlite3.Connection, source: Source, model: Model) -> Iterator[list[Any]]:
    """Yield the rows of the output feature class: one per feature and image."""
    images = _images(connection, source, model)
    folder = cache(_folder)
    for fid, values in _feature_rows(connection, source):
        for item_id, key, *rest, root in images.get(fid, ()):
            number = key.rpartition("/")[2]
            attachment_id = int(number) if number.isdecimal() else None
            path = None if root is None else (Path(folder(root)) / key).as_posix()
            yield [*values, item_id, attachment_id, *rest, path]
        if fid not in images:
            blank = [None] * 4
            yield [*values, *blank, "skipped", NO_IMAGE, *blank]


def _folder(root: str) -> str:
    """Return the folder that keys of files count from; a table stands for the one it is in."""
    path = Path(root)
    return str(path.parent if path.is_file() else path)


def summary_rows(
    connection: sqlite3.Connection, source: Source, model: Model
) -> Iterator[list[Any]]:
    """Yield the rows of the summary: one per feature."""
    images = _images(connection, source, model)
    pixels: dict[int, dict[int, int]] = defaultdict(dict)
    confidence: dict[int, float] = defaultdict(float)
    for feature_id, value, count, weight in connection.execute(
        _SHARES, {"dataset": source.id, "model": model.id}
    ):
        pixels[feature_id][value] = count
        confidence[feature_id] += weight or 0.0
    for fid, values in _feature_rows(connection, source):
        found = images.get(fid, [])
        yield [
            *values,
            *_counts(found),
            *_mix(model.classes, pixels.get(fid, {}), confidence[fid]),
        ]


def _counts(images: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return images, classified, failed, skipped, and the reasons where nothing is classified."""
    states = [image[4] for image in images]
    reasons = dict.fromkeys(image[5] for image in images if image[5])
    reason = None if "done" in states else "; ".join(reasons) or NO_IMAGE
    return [len(images), *(states.count(s) for s in ("done", "failed", "skipped")), reason]


def _mix(
    classes: Sequence[tuple[int, str]], pixels: dict[int, int], confidence: float
) -> list[Any]:
    """Return dominant class, its share, mean confidence, and the share of each class."""
    total = sum(pixels.values())
    if not total:
        return [None] * (3 + len(classes))
    shares = [pixels.get(value, 0) / total for value, _ in classes]
    best = max(range(len(classes)), key=shares.__getitem__)
    return [classes[best][1], shares[best], confidence / total, *shares]
