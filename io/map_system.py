"""The reference system that class rasters are brought to, and what that makes of a grid."""

from dataclasses import dataclass

from . import srs
from .grid import Grid, grid_in, same_system

METHODS = {"nearest": "nearest", "mode": "average"}
"""How classes may be resampled, and how fractions beside them are then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Where a raster is moved, and how."""

    grid: Grid
    resampling: str
    """Of classes: of ``METHODS``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MapSystem:
    """The reference system that is asked for of class rasters."""

    crs: str
    """``EPSG:n`` or WKT."""
    resampling: str = "nearest"

    def destination(self, own: Grid) -> Destination | None:
        """Return where a class raster on a grid goes; None where it is there already.

        Raises:
            ItemError: It cannot be brought there.
        """
        crs = srs.definition(self.crs)
        if same_system(own.crs, crs):
            return None
        return Destination(grid=grid_in(own, crs, "--map-crs"), resampling=self.resampling)
