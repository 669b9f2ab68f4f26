"""Where outputs may be."""

from pathlib import Path

from ..catalog.errors import UsageError
from .zipped_geodatabase import is_file_geodatabase


def check_place(path: Path) -> None:
    """Refuse a place for a new file or folder before anything is made.

    Raises:
        UsageError: The folder that it would be in is not there, or lies in a geodatabase.
    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"folder {folder} does not exist; create it first")
    if any(is_file_geodatabase(each) for each in (folder, *folder.parents)):
        raise UsageError(f"{path} lies inside a geodatabase; choose another place")
