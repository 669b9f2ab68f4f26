"""Does a table that lies among photos name them? A cheap look, for a hint."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ..catalog.errors import SourceError
from ..catalog.lock import belongs_to_live
from .photo_cells import photos_in
from .photo_columns import photo_columns
from .photo_paths import PhotoFolders
from .table_formats import TEXT, is_table_file
from .tables import open_tables

_LARGEST = 16 << 20
"""Bytes of a table that is looked at."""
_TABLES = 20
_ROWS = 200


def note_of_lists(folder: Path) -> str | None:
    """Return a note on the text tables of a folder that name photos in it, None without any."""
    files = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in TEXT)
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
        (table,) = open_tables(path)
        columns = [each.name for each in photo_columns(table, (), ()) if not each.has_images]
        if not columns:
            return False
        folders = PhotoFolders(path.parent)
        rows = islice(table.rows(columns), _ROWS)
        return any(
            folders.holds(name) for name in _paths(value for _, row in rows for value in row)
        )
    except (SourceError, OSError):
        return False


def _paths(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        for photo in photos_in(value if isinstance(value, str) else None):
            if photo.kind == "path":
                yield str(photo.content)
