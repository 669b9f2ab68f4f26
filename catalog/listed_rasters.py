"""The rasters that a catalog lists: below its folder and nowhere else, whoever wrote the catalog."""

from pathlib import Path
from typing import Any

from .errors import CatalogError, ItemError
from .lock import assert_not_live

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What a TIFF begins with, the last two a BigTIFF."""


def listed_place(folder: Path, name: Any) -> Path:
    """Return where a raster is, by its path in a catalog.

    Args:
        folder: That of the catalog.
        name: The path, relative to it.

    Raises:
        ItemError: The path leads out of the folder, as links do too.
    """
    try:
        path = Path(folder, name)
        is_below = is_in(folder, path)
    except (
        TypeError,
        ValueError,
        OSError,
        RuntimeError,
    ) as error:  # no text, a NUL, a loop of links
        raise ItemError(f"{name!r} is no path of a raster") from error
    if not is_below:
        raise ItemError(f"{name} lies outside the folder of the catalog")
    return path


def is_in(folder: Path, path: Path) -> bool:
    """Return whether a file lies below a folder when all links are followed."""
    return path.resolve().is_relative_to(folder.resolve())


def is_there(folder: Path, name: Any) -> bool:
    """Return whether there is a file, wherever the path leads; quicker than :func:`listed_raster`."""
    try:
        return Path(folder, name).is_file()
    except (TypeError, OSError):  # no text, or too long
        return False


def listed_raster(folder: Path, name: Any) -> Path:
    """Return the file of a raster; arguments are those of :func:`listed_place`.

    Raises:
        ItemError: The path leads out of the folder, nothing is there, or what is there is no TIFF.
    """
    path = listed_place(folder, name)
    try:
        if not path.is_file():
            raise ItemError(f"{name} is gone")
        assert_not_live(path)
        with path.open("rb") as file:
            head = file.read(4)
    except CatalogError as error:
        raise ItemError(f"{name} is no class raster but the catalog") from error
    except OSError as error:
        raise ItemError(f"{name} cannot be read: {error.strerror}") from error
    if head not in _TIFF:
        raise ItemError(f"{name} is no class raster any more")
    return path
