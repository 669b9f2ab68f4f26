"""Which columns of a table hold photos."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..catalog.records import SqlValue
from .key_columns import column_of
from .photo_cells import is_encoded, looks_like_photos
from .qgis_project import PhotoWidget
from .sniff import HEAD_BYTES
from .tables import Table

_NO_PHOTOS = ("INT", "REAL", "DOUBLE", "FLOAT", "DATE", "BOOL", "MEDIUM", "TINY", "SMALL")
_SAMPLE = 200
"""Values of each column that are looked at."""
_SAMPLE_BYTES = 32 << 20
_LEAST_SHARE = 0.5
"""Of a column's values that must look like photos."""


class PhotoColumn(NamedTuple):
    """A column that holds photos."""

    name: str
    has_images: bool
    """Its values hold images themselves, so that they are not copied as attributes."""
    default_paths: tuple[Path, ...]
    """Folders to ask before the usual ones."""


def photo_columns(
    table: Table, names: Sequence[str], widgets: Iterable[PhotoWidget]
) -> list[PhotoColumn]:
    """Return the columns that are named, else those that a project or the values tell.

    Args:
        table: The table.
        names: Columns that the user names; those of other tables are passed over.
        widgets: The columns of the source that are photos in a project.
    """
    own = {
        name: widget
        for widget in widgets
        if widget.layer.lower() in ("", table.name.lower())
        and (name := column_of(table, widget.column)) is not None
    }
    if names:
        asked = [name for each in names if (name := column_of(table, each)) is not None]
    else:
        asked = searched_columns(table)
    found = []
    for name, values in _samples(table, list(dict.fromkeys(asked))).items():
        told = name in own and own[name].shows_images
        if names or told or _mostly_photos(values):
            path = own[name].default_path if name in own else None
            has_images = _is_blob(table, name) or any(map(is_encoded, values))
            found.append(PhotoColumn(name, has_images, () if path is None else (path,)))
    return found


def searched_columns(table: Table) -> list[str]:
    """Return the columns that may hold photos by their type."""
    return [c.name for c in table.columns if not c.sql_type.upper().startswith(_NO_PHOTOS)]


def _is_blob(table: Table, name: str) -> bool:
    return any(c.name == name and c.sql_type.upper().startswith("BLOB") for c in table.columns)


def _mostly_photos(values: Sequence[SqlValue]) -> bool:
    return bool(values) and sum(map(looks_like_photos, values)) >= _LEAST_SHARE * len(values)


def _samples(table: Table, columns: Sequence[str]) -> dict[str, list[SqlValue]]:
    """Return the first values of each column that are not empty; of images only the start."""
    samples: dict[str, list[SqlValue]] = {name: [] for name in columns}
    if not columns:
        return samples
    seen = 0
    for _, values in table.rows(columns):
        for name, value in zip(columns, values, strict=True):
            if value not in (None, "", b"") and len(samples[name]) < _SAMPLE:
                size = len(value) if isinstance(value, str | bytes) else 0
                seen += size
                samples[name].append(value[:HEAD_BYTES] if isinstance(value, bytes) else value)
        if seen > _SAMPLE_BYTES or all(len(found) >= _SAMPLE for found in samples.values()):
            break
    return samples
