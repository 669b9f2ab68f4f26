"""Rasters of ours that a run has replaced by others, or that nothing lists any more, are removed."""

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ..catalog import care
from ..catalog.store import Catalog
from ..io import sidecars

_OURS = re.compile(r"run_[0-9]+/[0-9]{6,}_[^/]*\.tif")
"""How a run calls what it writes, below the folder of the rasters: nothing else is removed."""


def remove_unlisted(catalog: Catalog, outdated: Collection[str]) -> None:
    """Remove the rasters among some that no output names any more, and what lies beside them.

    One that cannot be removed stays; ``check`` tells of it.

    Args:
        catalog: Open.
        outdated: Paths that it named before a run, relative to its folder.
    """
    if not outdated:
        return
    folder = catalog.rasters.resolve()
    for name in care.unlisted(catalog, outdated):
        raster = Path(catalog.path.parent, name)
        with suppress(OSError, ValueError):
            place = raster.resolve().relative_to(folder).as_posix()
            is_plain = name == f"{catalog.rasters.name}/{place}" and not raster.is_symlink()
            if not (is_plain and _OURS.fullmatch(place)):
                continue
            for _, path in sidecars.beside(raster):
                path.unlink(missing_ok=True)
            raster.unlink(missing_ok=True)
