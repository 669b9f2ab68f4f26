"""Does a table or layer that lies among photos name them? A cheap look, for a hint."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ..catalog.errors import SourceError
from ..catalog.lock import belongs_to_live
from .photo_cells import photos_in
from .photo_columns import photo_columns
from .photo_paths import PhotoFolders
from .table_formats import FORMATS, TEXT, is_table_file
from .tables import Table, open_tables

_LARGEST = 16 << 20
"""Bytes of a table that is looked at."""
_TABLES = 20
_ROWS = 200
_SUFFIXES = frozenset([*TEXT, *FORMATS]) - {".dbf"}
"""Attributes of a Shapefile are looked at with its shapes."""


def note_of_lists(folder: Path) -> str | None:
    """Return a note on the layers and tables of a folder that name photos in it, None without any."""
    files = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES)
    names = [path.name for path in islice(files, _TABLES) if _names_photos(path)]
    if not names:
        return None
    return (
        f"{', '.join(names)} in {folder.name} {'name' if len(names) > 1 else 'names'} photos that"
        f" lie there; give {folder.name}/{names[0]} instead to tie them to its rows"
    )


def _names_photos(path: Path) -> bool:
    """Return whether a table has a column of photos, and one of the first is really there."""
    if belongs_to_live(path) or not is_table_file(path) or path.stat().st_size > _LARGEST:
        return False
    try:
        folders = PhotoFolders(path.parent)
        return any(folders.holds(name) for table in open_tables(path) for name in _names(table))
    except (SourceError, OSError):
        return False


def _names(table: Table) -> Iterator[str]:
    """Yield the names of files in the first rows of columns of photos."""
    columns = [each.name for each in photo_columns(table, (), ()) if not each.has_images]
    rows = islice(table.rows(columns), _ROWS) if columns else ()
    return _paths(value for _, row in rows for value in row)


def _paths(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        for photo in photos_in(value if isinstance(value, str) else None):
            if photo.kind == "path":
                yield str(photo.content)
