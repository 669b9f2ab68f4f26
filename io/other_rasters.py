"""Rasters of rarer formats that name other files, which GDAL would read with them."""

import re
from pathlib import Path

from ..catalog.errors import ItemError, first_line
from .hdf5_storage import elsewhere, is_hdf5
from .siblings import beside

_SYSTEM = re.compile(r"^\s*ref\.?\s*system\s*:\s*(.*)$", re.IGNORECASE | re.MULTILINE)
_HEADER_BYTES = 1 << 16


def check_names(path: Path) -> None:
    """Refuse a raster whose pixels or reference system lie in another file, wherever that is.

    Raises:
        ItemError: They do, or it cannot be told.
    """
    if is_hdf5(path):
        _check_storage(path)
    if path.suffix.lower() == ".rst":
        for header in beside(path, (), (".rdc",)):
            with header.open(encoding="latin-1") as file:
                named = _SYSTEM.findall(file.read(_HEADER_BYTES))
            if any(re.search(r"[/\\:]", name) for name in named):
                raise ItemError(f"{header.name} beside it has its reference system elsewhere")


def _check_storage(path: Path) -> None:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            where = elsewhere(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SystemError) as error:
        raise ItemError(f"is a damaged HDF5 file: {first_line(error)}") from error
    if where is not None:
        raise ItemError(f"has its pixels in another file (/{where[:80]}), which is not read")
