"""Where GDAL says that a raster lies, and whether it says so at all."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from ..catalog.errors import ItemError
from .srs_text import names_files

_WARNINGS = threading.RLock()


@contextmanager
def unplaced() -> Iterator[list[warnings.WarningMessage]]:
    """Keep rasterio's NotGeoreferencedWarning off the user's screen and collect it.

    One thread at a time: Python's warning filters are global.
    """
    with _WARNINGS, warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        yield noted


def georeference_of(
    dataset: DatasetReader, noted: list[warnings.WarningMessage]
) -> tuple[Affine | None, str | None]:
    """Trust rasterio's warning, not the transform: without one that is sometimes no number.

    Raises:
        ItemError: Its reference system names files, which PROJ would open.
    """
    if lacks_place(noted):
        return None, None
    if dataset.transform.is_identity:
        return None, None
    system = dataset.crs.to_wkt() if dataset.crs else None
    if system and names_files(system):
        raise ItemError("its reference system names files; give it another (gdal_edit.py -a_srs)")
    return dataset.transform, system


def lacks_place(noted: list[warnings.WarningMessage]) -> bool:
    """Return whether an image has nothing, control points included, that says where it lies."""
    return any(issubclass(each.category, NotGeoreferencedWarning) for each in noted)
