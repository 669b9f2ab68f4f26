"""The output feature class: every source feature, linked to its classified images.

Two real tables per model: one row per feature and image, and a summary with one row per
feature. Both keep all columns of the source, or of all the sources that they show.
"""

import base64
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from . import built_from, geopackage, layer_styles, result_layers, rtree
from .feature_rows import Model, Source, geometry_kinds, image_rows, summary_rows
from .geometry import CURVES
from .geopackage import FeatureTable, quote, safe_type, utc
from .output_columns import (
    INTEGERS,
    LINK_COLUMNS,
    SOURCE,
    SUMMARY_COLUMNS,
    output_columns,
    share_names,
    union,
)
from .records import Column, Reprojection
from .table_sources import read_source, together

_BEYOND_DOUBLE = f"""
SELECT 1 FROM features f, json_each(f.attributes) a WHERE f.dataset_id = ? AND a.key = ?
  AND a.type = 'integer' AND a.value NOT BETWEEN {-(2**53)} AND {2**53} LIMIT 1
"""


def write(
    connection: sqlite3.Connection,
    dataset_id: int,
    run_id: int,
    name: str | None,
    reprojection: Reprojection,
    *,
    embed: bool,
) -> tuple[str, tuple[str, ...]]:
    """Write both tables anew where they are not up to date, and those that had the dataset.

    Returns:
        The output feature class of the dataset, and those that were written.
    """
    model = _model(connection, run_id)
    table, left = result_layers.claim(connection, dataset_id, run_id, name)
    if left is None and built_from.is_up_to_date(connection, table, model.id, embed=embed):
        return table, ()
    _rebuild(connection, table, model, reprojection)
    if left is None:
        return table, (table,)
    if result_layers.members(connection, left):
        _rebuild(connection, left, model, reprojection)
        return table, (table, left)
    result_layers.drop(connection, left)
    return table, (table,)


def _rebuild(
    connection: sqlite3.Connection, table: str, model: Model, reprojection: Reprojection
) -> None:
    """Write a table and its summary from all datasets that it shows."""
    found = [read_source(connection, each) for each in result_layers.members(connection, table)]
    sources = together(found, reprojection)
    label = (SOURCE,) if len(sources) > 1 else ()
    shares = [
        Column(name=share, sql_type="DOUBLE", alias=name)
        for share, (_, name) in zip(share_names(model.classes), model.classes, strict=True)
    ]
    summary = f"{table}_summary"
    for name, columns, rows in (
        (table, (*label, *LINK_COLUMNS), image_rows),
        (summary, (*label, *SUMMARY_COLUMNS, *shares), summary_rows),
    ):
        _create_table(connection, sources, name, columns)
        mapped = any(source.geometry_type for source in sources)
        with rtree.deferred(connection, name) if mapped else nullcontext():
            for source in sources:
                listed = output_columns(source.columns, columns, _all_columns(sources))
                names = [column.name for column in listed]
                _insert(connection, source, name, names, rows(connection, source, model))
    if any(source.geometry_type for source in sources):
        geopackage.refresh_contents(connection, (table, summary))
    layer_styles.write(connection, (table, summary), model.id)


def _model(connection: sqlite3.Connection, run_id: int) -> Model:
    (model_id,) = connection.execute("SELECT model_id FROM runs WHERE id = ?", (run_id,)).fetchone()
    classes = connection.execute(
        "SELECT value, name FROM classes WHERE model_id = ? ORDER BY value", (model_id,)
    )
    return Model(model_id, tuple(classes.fetchall()))


def _create_table(
    connection: sqlite3.Connection, sources: Sequence[Source], name: str, ours: Sequence[Column]
) -> None:
    shown = [
        output_columns(source.columns, ours, _all_columns(sources))[: len(source.columns)]
        for source in sources
    ]
    columns, domains = union(
        (each, source.domains) for each, source in zip(shown, sources, strict=True)
    )
    columns = [
        replace(column, sql_type="TEXT")
        if column.sql_type == "DOUBLE" and _loses_digits(connection, column, sources, shown)
        else column
        for column in columns
    ]
    types = {source.geometry_type for source in sources} - {None}
    kinds = {kind for source in sources for kind in geometry_kinds(connection, source.id)}
    heights = {kind.has_z for kind in kinds} or {bool(s.has_z) for s in sources if s.geometry_type}
    curves = {CURVES.get(kind.number) for kind in kinds} | types
    geopackage.drop_table(connection, name)
    geopackage.create_feature_table(
        connection,
        FeatureTable(
            name=name,
            columns=[*columns, *ours],
            geometry_type=None if not types else types.pop() if len(types) == 1 else "GEOMETRY",
            srs_id=sources[0].srs_id,
            has_z=heights.pop() if len(heights) == 1 else None,
            has_m=any(kind.has_m and kind.number in CURVES for kind in kinds),
            curves=[name for name in CURVES.values() if name in curves],
            description="made by pixelcat",
            domains=domains,
        ),
    )


def _all_columns(sources: Sequence[Source]) -> list[Column]:
    return [column for source in sources for column in source.columns]


def _loses_digits(
    connection: sqlite3.Connection,
    column: Column,
    sources: Sequence[Source],
    shown: Sequence[Sequence[Column]],
) -> bool:
    """Return whether a source has whole numbers here that floating point does not hold."""
    return any(
        connection.execute(_BEYOND_DOUBLE, (source.id, own.name)).fetchone()
        for source, listed in zip(sources, shown, strict=True)
        for own, other in zip(source.columns, listed, strict=True)
        if other.name.lower() == column.name.lower() and safe_type(own.sql_type) in INTEGERS
    )


def _insert(
    connection: sqlite3.Connection,
    source: Source,
    table: str,
    names: Sequence[str],
    rows: Iterator[list[Any]],
) -> None:
    listed = [*(["geom"] if source.geometry_type else []), *names]
    types = dict(
        connection.execute(
            "SELECT lower(name), type FROM pragma_table_info(?)", (table,)
        ).fetchall()
    )
    texts = [
        listed.index(name)
        for column, name in zip(source.columns, names, strict=False)
        if types[name.lower()] == "TEXT" and not safe_type(column.sql_type).startswith("TEXT")
    ]
    times = [index for index, name in enumerate(listed) if types[name.lower()] == "DATETIME"]
    marks = ", ".join("?" for _ in listed)
    connection.executemany(
        f"INSERT INTO {quote(table)} ({', '.join(map(quote, listed))}) VALUES ({marks})",
        (_in_form(row, texts, times) for row in rows),
    )


def _in_form(row: list[Any], texts: Sequence[int], times: Sequence[int]) -> list[Any]:
    """Write values as text where another source has made a column one of text, and times as due.

    Bytes become base64, and SQLite would round floating point numbers. Not all programs write
    times into a GeoPackage as the standard asks for.
    """
    for index in times:
        if isinstance(row[index], str):
            row[index] = utc(row[index])
    for index in texts:
        if isinstance(row[index], bytes):
            row[index] = base64.b64encode(row[index]).decode()
        elif isinstance(row[index], float):
            row[index] = str(row[index])
    return row
