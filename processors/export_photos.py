"""Photos and class maps with names that people can read, a folder per feature."""

import os
import re
import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from ..catalog.errors import ItemError, OutputError, UsageError
from ..catalog.geopackage import quote
from ..catalog.listed_rasters import is_in, listed_raster
from ..catalog.query import read_only
from ..catalog.records import Item
from ..io import sidecars
from ..io.places import check_place
from ..io.publish import make_folder, publish, temporary_name
from ..io.sources import Fetch, reader
from .photo_names import CLASS_MAP, IMAGE_SUFFIXES, PhotoPaths, Template, beside
from .stored import datasets, fetched, output_layers

_ITEM = ("kind", "source_key", "name", "content_type", "sha256", "taken_at", "keywords", "reason")
_EXTRAS = """
SELECT o.raster_path, e.kind, e.raster_path FROM extra_rasters e
JOIN outputs o ON o.id = e.output_id WHERE o.raster_path IS NOT NULL ORDER BY e.id
"""
"""SQL of the rasters beside class maps."""
_OF_ITEMS = ("taken_at", "keywords")
"""What names may be made of besides the columns of the layer."""


@dataclass(kw_only=True, slots=True)
class PhotoExport:
    """What was written."""

    photos: int = 0
    class_maps: int = 0
    extra_rasters: int = 0
    """Confidence, probabilities and entropy beside class maps."""
    unclassified: int = 0
    """Of the photos, those that have no class map."""
    left_out: int = 0
    """Photos of the same inputs that belong to no feature, as those of a folder without a position."""
    missing: list[str] = field(default_factory=list)
    """A line for each photo or class map that could not be had."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layer:
    """What an output feature class shows of one dataset."""

    table: str
    dataset_id: int
    name: Template
    folder: Template
    columns: Sequence[str]
    """Those that the names are made of."""
    place: tuple[str, ...]
    """The folder of the layer, where there are several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Photo:
    """A photo of a feature, as the output feature class has it."""

    item: Item
    feature: int
    class_map: str | None
    extras: dict[str, str]
    """Paths of the rasters beside it, by what they are."""
    values: dict[str, Any]
    """What names are made of, by column."""


def export_photos(
    catalog: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    layer: str | Sequence[str] = (),
    name: str = "{image_name}",
    folder_name: str | None = None,
) -> PhotoExport:
    """Copy the photos of features and their class maps into a new folder.

    Where there are several output feature classes, each has a folder of its own in it.

    Args:
        catalog: A catalog with an output feature class.
        folder: It must not exist, or be empty.
        layer: The output feature class, or several; default all of them.
        name: Of the files, with columns of the layer in braces, ``taken_at`` and ``keywords``.
        folder_name: Likewise of the folder of a feature; default ``{source_fid}``, and
            ``{source}_{source_fid}`` in a layer of several inputs.

    Raises:
        UsageError: The folder has files or cannot be, no such layer, or no such column.
        SourceError: A source cannot be opened any more.
        OutputError: The disk refused.
    """
    root, path = Path(folder), Path(catalog).resolve()
    check_place(root)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is not an empty folder; name a new one")
    done = PhotoExport()
    paths = PhotoPaths(root)
    known = datasets(path)
    layers = _layers(path, layer, Template(name), folder_name)
    done.left_out = _left_out(path, layers)
    for shown in layers:
        with reader(known[shown.dataset_id]) as fetch:
            for photo in _photos(path, shown):
                place = paths.folder(*shown.place, shown.folder.fill(photo.values))
                target = paths.photo(place, shown.name.fill(photo.values), _suffix(photo.item))
                _export(photo, fetch, target, path.parent, done)
    return done


def _layers(
    path: Path, layer: str | Sequence[str], name: Template, folder_name: str | None
) -> list[_Layer]:
    """Return what is to be exported, dataset by dataset.

    Raises:
        UsageError: No such layer, or no such column.
    """
    shown = output_layers(path, layer)
    sources = Counter(table for table, _ in shown)
    result = []
    with read_only(path) as connection:
        for table, dataset_id in shown:
            default = "{source}_{source_fid}" if sources[table] > 1 else "{source_fid}"
            folder = Template(default if folder_name is None else folder_name)
            known = _column_names(connection, table)
            usable = [*known, *(each for each in _OF_ITEMS if each not in known)]
            named = name.columns(usable) | folder.columns(usable)
            result.append(
                _Layer(
                    table=table,
                    dataset_id=dataset_id,
                    name=name,
                    folder=folder,
                    columns=[column for column in known if column in named],
                    place=(table,) if len(sources) > 1 else (),
                )
            )
    return result


def _column_names(connection: sqlite3.Connection, table: str) -> list[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return [row[0] for row in rows if row[0] not in ("fid", "geom")]


def _left_out(path: Path, layers: Sequence[_Layer]) -> int:
    """Count the photos of inputs that are in no row of these layers."""
    tables: defaultdict[int, list[str]] = defaultdict(list)
    for shown in layers:
        tables[shown.dataset_id].append(f"SELECT item_id FROM {quote(shown.table)}")
    total = 0
    with read_only(path) as connection:
        for dataset_id, rows in tables.items():
            (count,) = connection.execute(
                "SELECT count(*) FROM items WHERE dataset_id = ? AND status != 'skipped' AND id NOT IN"
                f" (SELECT item_id FROM ({' UNION '.join(rows)}) WHERE item_id NOT NULL)",
                (dataset_id,),
            ).fetchone()
            total += count
    return total


def _photos(path: Path, shown: _Layer) -> Iterator[_Photo]:
    """Yield the photos of a layer, feature by feature."""
    ours = [*(f"i.{name}" for name in _ITEM), "t.source_fid", "t.classified_image"]
    theirs = [f"t.{quote(name)}" for name in shown.columns]
    with read_only(path) as connection:
        rows = connection.execute(
            f"SELECT {', '.join([*ours, *theirs])} FROM {quote(shown.table)} t"
            " JOIN items i ON i.id = t.item_id WHERE i.dataset_id = ?"
            " ORDER BY t.source_fid, t.fid",
            (shown.dataset_id,),
        ).fetchall()
        extras: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for path_, kind, location in connection.execute(_EXTRAS):
            extras[path_][kind] = location
    for row in rows:
        item = Item(**dict(zip(_ITEM, row, strict=False)))
        feature, class_map, *values = row[len(_ITEM) :]
        stem = PurePath(item.name.replace("\\", "/")).stem
        yield _Photo(
            item=item,
            feature=feature,
            class_map=class_map,
            extras=extras.get(class_map, {}),
            values={
                **{each: getattr(item, each) for each in _OF_ITEMS},
                **dict(zip(shown.columns, values, strict=True)),
                "image_name": stem,
            },
        )


def _suffix(item: Item) -> str:
    own = PurePath(item.name).suffix
    return IMAGE_SUFFIXES.get(item.content_type or "") or (
        own if re.fullmatch(r"\.\w{1,10}", own) else ".bin"
    )


def _export(photo: _Photo, fetch: Fetch, target: Path, base: Path, done: PhotoExport) -> None:
    label = f"{photo.item.name} of feature {photo.feature}"
    try:
        content = fetched(fetch, photo.item)
    except ItemError as error:
        done.missing.append(f"{label}: {error}")
        return
    make_folder(target.parent)
    _write(target, content)
    done.photos += 1
    if photo.class_map is None:
        done.unclassified += 1
        return
    stem = target.name.removesuffix(target.suffix)
    wanted = {"class map": (photo.class_map, CLASS_MAP)}
    wanted |= {f"raster of {kind}": (path, beside(kind)) for kind, path in photo.extras.items()}
    for what, (path, suffix) in wanted.items():
        try:
            raster = listed_raster(base, path)
        except ItemError as error:
            done.missing.append(f"{label}: its {what} {error}; classify again")
            continue
        copy = target.with_name(stem + suffix)
        for more, file in sidecars.beside(raster):
            if is_in(base, file):
                _write(sidecars.sidecar(copy, more), file)
        _write(copy, raster)
        done.class_maps += suffix == CLASS_MAP
        done.extra_rasters += suffix != CLASS_MAP


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
