"""File geodatabases in ZIP archives, read where they are: nothing is unpacked."""

import zipfile
from pathlib import Path, PurePosixPath

from ..catalog.errors import ItemError, SourceError
from .siblings import check_folder
from .zip_members import BROKEN, leads_out, too_many

MASTER_TABLE = "a00000001.gdbtable"
"""The table of tables: every file geodatabase has it."""

_LAYERS = (".gpkg", ".shp", ".geojson", ".kml", ".gpx", ".fgb", ".tab")
_BOMB_BYTES = 1 << 30
_BOMB_RATIO = 200
"""Tables with photos shrink little, tables of numbers tenfold."""
_ENCRYPTED = 0x1


def is_file_geodatabase(path: Path) -> bool:
    """Return whether a folder holds the tables of a file geodatabase."""
    return path.is_dir() and (path / MASTER_TABLE).is_file()


def archive_kind(path: Path) -> str:
    """Say in words what a file is that begins, or is named, like a ZIP archive."""
    if holds_geodatabase(path):
        return "a zipped file geodatabase"
    try:
        _entries(path)
    except (*BROKEN, OSError):
        return "a damaged ZIP archive"
    return "a ZIP archive"


def layer_in(path: Path) -> str | None:
    """Return the name of a file with features in a ZIP archive, None without any."""
    names = [PurePosixPath(entry.filename).name for entry in _entries(path)]
    return next((name for name in names if name.lower().endswith(_LAYERS)), None)


def holds_geodatabase(path: Path) -> bool:
    """Return whether a file is a ZIP archive with a file geodatabase in it."""
    try:
        return path.is_file() and zipfile.is_zipfile(path) and bool(_folders(_entries(path)))
    except (*BROKEN, OSError):
        return False


def gdal_path(path: Path) -> str:
    """Return how GDAL is to call a file geodatabase, a folder or an archive.

    Raises:
        SourceError: The archive is not fit to be read.
    """
    if path.is_dir():
        try:
            check_folder(path)
        except ItemError as error:
            raise SourceError(f"{path}: {error}") from error
        return str(path)
    try:
        entries = _entries(path)
    except (*BROKEN, OSError) as error:
        raise SourceError(f"{path}: not a readable ZIP archive: {error}") from error
    if reason := too_many(entries):
        raise SourceError(f"{path} {reason}; unzip it and give the geodatabase")
    folders = _folders(entries)
    if not folders:
        raise SourceError(f"{path}: no file geodatabase in it any more")
    if len(folders) > 1:
        listing = ", ".join(folder or "its root" for folder in folders)
        raise SourceError(f"{path} holds several geodatabases ({listing}); unzip it, give one")
    _check(path, folders[0], entries)
    return f"/vsizip/{path}/{folders[0]}".rstrip("/")


def _entries(path: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as archive:
        return archive.infolist()


def _folders(entries: list[zipfile.ZipInfo]) -> list[str]:
    """Return the folders that hold a geodatabase; empty text is the root of the archive."""
    names = (entry.filename.rpartition("/") for entry in entries)
    return sorted({folder for folder, _, name in names if name == MASTER_TABLE})


def _check(path: Path, folder: str, entries: list[zipfile.ZipInfo]) -> None:
    inside = [e for e in entries if e.filename.rpartition("/")[0] == folder]
    size, packed = (sum(getattr(e, n) for e in inside) for n in ("file_size", "compress_size"))
    if any(entry.flag_bits & _ENCRYPTED for entry in inside):
        raise SourceError(f"{path} is encrypted; unzip it and give the geodatabase")
    if size > max(_BOMB_BYTES, _BOMB_RATIO * packed):
        raise SourceError(f"{path} would unpack {packed} bytes to {size}; that is no geodatabase")
    if leads_out(folder):
        raise SourceError(f"{path}: the folder {folder!r} in it has no safe name; zip it anew")
    if path.suffix.lower() != ".zip":
        raise SourceError(
            f"{path}: GDAL reads ZIP archives only by their suffix; rename it to .zip"
        )
    if not (folder or path.name.lower().removesuffix(".zip")).lower().endswith(".gdb"):
        raise SourceError(
            f"{path}: GDAL knows a geodatabase by its suffix; name the archive {path.stem}.gdb.zip"
            " or the folder in it .gdb"
        )
