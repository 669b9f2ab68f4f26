"""The output feature class: every source feature, linked to its classified images.

Two real tables per dataset and model: one row per feature and image, and a summary with
one row per feature. Both keep all columns of the source.
"""

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, NamedTuple

from . import geometry, geopackage
from .geopackage import FeatureTable, quote
from .ingest import from_json
from .records import CodedDomains, Column, SqlValue

LINK_COLUMNS = (
    Column(name="source_fid", sql_type="INTEGER"),
    Column(name="item_id", sql_type="INTEGER"),
    Column(name="attachment_id", sql_type="INTEGER"),
    Column(name="image_name", sql_type="TEXT"),
    Column(name="classified_image", sql_type="TEXT"),
    Column(name="status", sql_type="TEXT"),
    Column(name="reason", sql_type="TEXT"),
    Column(name="dominant_class", sql_type="TEXT"),
    Column(name="dominant_share", sql_type="DOUBLE"),
    Column(name="mean_confidence", sql_type="DOUBLE"),
)
SUMMARY_COLUMNS = (
    Column(name="source_fid", sql_type="INTEGER"),
    Column(name="images", sql_type="INTEGER"),
    Column(name="classified", sql_type="INTEGER"),
    Column(name="failed", sql_type="INTEGER"),
    Column(name="skipped", sql_type="INTEGER"),
    Column(name="reason", sql_type="TEXT"),
    Column(name="dominant_class", sql_type="TEXT"),
    Column(name="dominant_share", sql_type="DOUBLE"),
    Column(name="mean_confidence", sql_type="DOUBLE"),
)
NO_IMAGE = "no image attached to this feature"

_FEATURES = (
    "SELECT fid, source_fid, attributes, source_geometry FROM features"
    " WHERE dataset_id = ? ORDER BY source_fid"
)
_IMAGES = """
SELECT l.base_id, i.id, i.source_key, i.name, o.raster_path,
  coalesce(o.status, 'skipped'), coalesce(o.reason, iif(o.id, NULL, 'not classified yet')),
  o.dominant_class, o.dominant_share, o.mean_confidence
FROM features f JOIN features_items l ON l.base_id = f.fid JOIN items i ON i.id = l.related_id
  LEFT JOIN outputs o ON o.item_id = i.id AND o.is_current
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


class _Source(NamedTuple):
    """What the two tables copy from: a dataset and the classes of a model."""

    dataset_id: int
    model_id: int
    columns: tuple[Column, ...]
    domains: CodedDomains
    geometry_type: str | None
    srs_id: int
    has_z: bool
    classes: tuple[tuple[int, str], ...]

    @property
    def keys(self) -> dict[str, int]:
        return {"dataset": self.dataset_id, "model": self.model_id}


def write(
    connection: sqlite3.Connection, dataset_id: int, run_id: int, name: str | None
) -> tuple[str, str]:
    """Write both tables anew and return their names; see :meth:`Catalog.write_feature_class`."""
    source = _source(connection, dataset_id, run_id)
    table, summary = _claim_names(connection, source, run_id, name)
    _write_table(connection, source, table, LINK_COLUMNS, _image_rows(connection, source))
    shares = [Column(name=share, sql_type="DOUBLE") for share in share_names(source.classes)]
    _write_table(
        connection, source, summary, (*SUMMARY_COLUMNS, *shares), _summary_rows(connection, source)
    )
    if source.geometry_type is not None:
        geopackage.refresh_contents(connection, (table, summary))
    return table, summary


def share_names(classes: Sequence[tuple[int, str]]) -> list[str]:
    """Return the summary's column name of each (value, name) class: ``share_<class name>``.

    Lower case, anything but letters and digits becomes ``_``; a repeated name gets the
    class value as suffix.
    """
    names: list[str] = []
    for value, label in classes:
        name = "share_" + (re.sub(r"\W+", "_", label.lower()).strip("_") or str(value))
        while name in names:
            name += f"_{value}"
        names.append(name)
    return names


def output_columns(source: Sequence[Column], ours: Sequence[Column]) -> list[Column]:
    """Return the columns of an output table: the source's, then ours.

    A source column whose name we need (or that repeats) gets the suffix ``_source``.
    """
    taken = {"fid", "geom", *(column.name for column in (*LINK_COLUMNS, *SUMMARY_COLUMNS, *ours))}
    result = []
    for column in source:
        name = column.name
        while name.lower() in taken:
            name += "_source"
        taken.add(name.lower())
        result.append(replace(column, name=name))
    return [*result, *ours]


def _source(connection: sqlite3.Connection, dataset_id: int, run_id: int) -> _Source:
    (model_id,) = connection.execute("SELECT model_id FROM runs WHERE id = ?", (run_id,)).fetchone()
    columns, options, geometry_type, srs_id, has_z = connection.execute(
        "SELECT columns, options, geometry_type, srs_id, has_z FROM datasets WHERE id = ?",
        (dataset_id,),
    ).fetchone()
    classes = connection.execute(
        "SELECT value, name FROM classes WHERE model_id = ? ORDER BY value", (model_id,)
    ).fetchall()
    parsed = tuple(Column(**column) for column in json.loads(columns))
    domains = json.loads(options).get("domains", {})
    return _Source(
        dataset_id, model_id, parsed, domains, geometry_type, srs_id, bool(has_z), tuple(classes)
    )


def _claim_names(
    connection: sqlite3.Connection, source: _Source, run_id: int, name: str | None
) -> tuple[str, str]:
    """Return the table names of this dataset and model, free of any other table's."""
    owned = connection.execute(
        "SELECT table_name, summary_name FROM result_layers"
        " WHERE dataset_id = :dataset AND model_id = :model",
        source.keys,
    ).fetchone()
    if owned and (name is None or name == owned[0]):
        table = str(owned[0])
    else:
        for old in owned or ():
            geopackage.drop_table(connection, old)
        table = _free_name(connection, name or _default_name(connection, source.dataset_id))
    connection.execute(
        "INSERT INTO result_layers (dataset_id, model_id, run_id, table_name, summary_name)"
        " VALUES (:dataset, :model, :run, :name, :name || '_summary') ON CONFLICT"
        " (dataset_id, model_id) DO UPDATE SET run_id = :run, table_name = :name,"
        " summary_name = :name || '_summary'",
        {**source.keys, "run": run_id, "name": table},
    )
    return table, f"{table}_summary"


def _default_name(connection: sqlite3.Connection, dataset_id: int) -> str:
    layer, uri = connection.execute(
        "SELECT layer, uri FROM datasets WHERE id = ?", (dataset_id,)
    ).fetchone()
    return f"{layer or PurePath(uri).name}_classified"


def _free_name(connection: sqlite3.Connection, wanted: str) -> str:
    taken = {row[0].lower() for row in connection.execute("SELECT name FROM sqlite_master")}
    name, number = wanted, 1
    while name.lower() in taken or f"{name}_summary".lower() in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def _write_table(
    connection: sqlite3.Connection,
    source: _Source,
    name: str,
    ours: Sequence[Column],
    rows: Iterator[list[Any]],
) -> None:
    columns = output_columns(source.columns, ours)
    geopackage.drop_table(connection, name)
    geopackage.create_feature_table(
        connection,
        FeatureTable(
            name=name,
            columns=columns,
            geometry_type=source.geometry_type,
            srs_id=source.srs_id,
            has_z=source.has_z,
            description="made by pixelcat",
            domains=source.domains,
        ),
    )
    names = [quote(column.name) for column in columns]
    if source.geometry_type is not None:
        names.insert(0, "geom")
    marks = ", ".join("?" for _ in names)
    connection.executemany(f"INSERT INTO {quote(name)} ({', '.join(names)}) VALUES ({marks})", rows)


def _feature_rows(
    connection: sqlite3.Connection, source: _Source
) -> Iterator[tuple[int, int, list[Any]]]:
    """Yield (feature id, source fid, geometry and source columns) of each feature."""
    for fid, source_fid, attributes, wkb in connection.execute(_FEATURES, (source.dataset_id,)):
        values: list[SqlValue] = from_json(attributes, source.columns)
        if source.geometry_type is not None:
            values.insert(0, wkb and geometry.encode(wkb, source.srs_id))
        yield fid, source_fid, values


def _images(connection: sqlite3.Connection, source: _Source) -> dict[int, list[tuple[Any, ...]]]:
    """Return the images of each feature: item id, key, name, then the link columns."""
    images = defaultdict(list)
    for feature_id, *image in connection.execute(_IMAGES, source.keys):
        images[feature_id].append(tuple(image))
    return images


def _image_rows(connection: sqlite3.Connection, source: _Source) -> Iterator[list[Any]]:
    images = _images(connection, source)
    for fid, source_fid, values in _feature_rows(connection, source):
        for item_id, key, *rest in images.get(fid, ()):
            number = key.rpartition("/")[2]
            attachment_id = int(number) if number.isdecimal() else None
            yield [*values, source_fid, item_id, attachment_id, *rest]
        if fid not in images:
            blank = [None] * 4
            yield [*values, source_fid, *blank, "skipped", NO_IMAGE, None, None, None]


def _summary_rows(connection: sqlite3.Connection, source: _Source) -> Iterator[list[Any]]:
    images = _images(connection, source)
    pixels: dict[int, dict[int, int]] = defaultdict(dict)
    confidence: dict[int, float] = defaultdict(float)
    for feature_id, value, count, weight in connection.execute(_SHARES, source.keys):
        pixels[feature_id][value] = count
        confidence[feature_id] += weight or 0.0
    for fid, source_fid, values in _feature_rows(connection, source):
        found = images.get(fid, [])
        yield [
            *values,
            source_fid,
            *_counts(found),
            *_mix(source.classes, pixels.get(fid, {}), confidence[fid]),
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
