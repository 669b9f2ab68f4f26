"""Photos and class maps with names that people can read, a folder per feature."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePath
from string import Formatter
from typing import Any

from ..catalog import query as catalog_query
from ..catalog.errors import ItemError, OutputError, UsageError
from ..catalog.geopackage import quote
from ..catalog.records import Item
from ..io.names import safe_name
from ..io.publish import make_folder, publish, temporary_name
from ..io.sources import Fetch, reader
from .stored import datasets, fetched, output_layers

_SUFFIXES = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/tiff": ".tif", "image/webp": ".webp",
    "image/gif": ".gif", "image/bmp": ".bmp", "image/jp2": ".jp2", "image/heic": ".heic",
    "image/avif": ".avif",
}  # fmt: skip

Row = dict[str, Any]


@dataclass(kw_only=True, slots=True)
class PhotoExport:
    """What was written."""

    photos: int = 0
    class_maps: int = 0
    missing: list[str] = field(default_factory=list)
    """A line for each photo that could not be had."""


def export_photos(
    catalog: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    layer: str | None = None,
    name: str = "{image_name}",
    folder_name: str = "{source_fid}",
) -> PhotoExport:
    """Copy the photos of features and their class maps into a new folder.

    Where there are several output feature classes, each has a folder of its own in it.

    Args:
        catalog: A catalog with an output feature class.
        folder: It must not exist, or be empty.
        layer: The output feature class; default all of them.
        name: Of the files, with columns of the layer in braces, and ``taken_at``.
        folder_name: Likewise of the folder of a feature.

    Raises:
        UsageError: The folder has files, no such layer, or no such column.
        SourceError: A source cannot be opened any more.
        OutputError: The disk refused.
    """
    root, path = Path(folder), Path(catalog).resolve()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is not an empty folder; name a new one")
    done = PhotoExport()
    names = _Names(root, name, folder_name)
    known = datasets(path)
    for dataset_id, rows in groupby(_rows(path, layer), key=lambda row: row["_dataset_id"]):
        with reader(known[dataset_id]) as fetch:
            for row in rows:
                _export(row, fetch, names.of(row), path.parent, done)
    return done


def _rows(path: Path, layer: str | None) -> Iterator[Row]:
    """Yield the rows of the output feature classes that have a photo, source by source."""
    layers = list(output_layers(path, layer))
    several = len({table for table, _ in layers}) > 1
    for table, dataset_id in layers:
        rows = catalog_query.query(
            path,
            "SELECT t.*, i.taken_at AS _taken_at, i.dataset_id AS _dataset_id, i.kind AS _kind,"
            " i.source_key AS _source_key, i.name AS _name, i.content_type AS _content_type,"
            f" i.sha256 AS _sha256 FROM {quote(table)} t JOIN items i ON i.id = t.item_id"
            " WHERE i.dataset_id = ? ORDER BY t.source_fid, t.fid",
            (dataset_id,),
        ).dicts()
        yield from ({**row, "_below": safe_name(table) if several else ""} for row in rows)


class _Names:
    """Names of files, each given once."""

    def __init__(self, root: Path, name: str, folder_name: str) -> None:
        self._root = root
        self._templates = (folder_name, name)
        self._taken: dict[Path, set[str]] = defaultdict(set)

    def of(self, row: Row) -> Path:
        """Return the path of a photo without its suffix."""
        values = {key: value for key, value in row.items() if not key.startswith("_")}
        values.setdefault("taken_at", row["_taken_at"])
        values["image_name"] = PurePath(str(row["_name"]).replace("\\", "/")).stem
        folder, stem = (safe_name(_filled(each, values)) for each in self._templates)
        if PurePath(stem).suffix.lower() in (*_SUFFIXES.values(), ".jpeg"):
            stem = PurePath(stem).stem
        place = self._root / str(row["_below"]) / folder
        taken, free, number = self._taken[place], stem, 1
        while free.casefold() in taken:
            number += 1
            free = f"{stem}_{number}"
        taken.add(free.casefold())
        return place / free


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """Fill columns in; nothing but plain names is allowed in braces.

    Raises:
        UsageError: No such column, or braces that do not fit together.
    """
    parts = []
    try:
        for text, column, form, conversion in Formatter().parse(template):
            if form or conversion or (column is not None and column not in values):
                raise UsageError(
                    f"{{{column}}} is no column of the layer; there are {', '.join(values)}"
                )
            value = None if column is None else values[column]
            parts += [text, "" if value is None or isinstance(value, bytes) else str(value)]
    except ValueError as error:
        raise UsageError(f"{template!r}: {error}") from None
    return "".join(parts)


def _export(row: Row, fetch: Fetch, stem: Path, base: Path, done: PhotoExport) -> None:
    item = Item(
        kind=row["_kind"], source_key=row["_source_key"], name=row["_name"], sha256=row["_sha256"]
    )
    try:
        content = fetched(fetch, item)
    except ItemError as error:
        done.missing.append(f"{row['_name']} of feature {row['source_fid']}: {error}")
        return
    make_folder(stem.parent)
    suffix = _SUFFIXES.get(row["_content_type"]) or PurePath(row["_name"]).suffix or ".bin"
    _write(stem.with_name(stem.name + suffix), content)
    done.photos += 1
    if row["classified_image"] and (base / row["classified_image"]).is_file():
        _write(stem.with_name(f"{stem.name}_classes.tif"), base / row["classified_image"])
        done.class_maps += 1


def _write(path: Path, content: Path | bytes) -> None:
    draft = temporary_name(path)
    try:
        if isinstance(content, bytes):
            draft.write_bytes(content)
        else:
            shutil.copyfile(content, draft)
        publish(draft, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
