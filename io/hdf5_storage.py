"""HDF5 files, netCDF-4 among them, may keep their numbers in any other file."""

from pathlib import Path
from typing import Any


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, wherever in it that begins."""
    import h5py

    return bool(h5py.is_hdf5(path))


def elsewhere(file: Any) -> str | None:
    """Return the first part of an open file that lies in another one; each is looked at once.

    Args:
        file: An ``h5py.File``.
    """
    import h5py

    def found(name: str, part: Any) -> str | None:
        is_data = isinstance(part, h5py.Dataset) and (part.external or part.is_virtual)
        return name if is_data or isinstance(part, h5py.ExternalLink) else None

    where: str | None = file.visititems_links(found) or file.visititems(found)
    return where
