"""What says where the pixels of an image lie where no transform does: control points, RPCs.

Such an image is classified as it is; its class raster says the same, so that it can be
brought to the ground later on.
"""

from dataclasses import dataclass
from typing import Any

from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.rpc import RPC


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """Ground control points, or rational polynomial coefficients."""

    points: tuple[GroundControlPoint, ...]
    crs: CRS | None
    """Reference system of the points."""
    rpcs: RPC | None

    @classmethod
    def of(cls, dataset: DatasetReader) -> "Control | None":
        """Return that of an open raster, None where it has none."""
        points, crs = dataset.gcps
        rpcs = dataset.rpcs
        return cls(points=tuple(points), crs=crs, rpcs=rpcs) if points or rpcs else None

    @property
    def name(self) -> str:
        """What there is."""
        return "RPCs" if self.rpcs is not None else "ground control points"

    @property
    def command(self) -> str:
        """What brings such an image to the ground."""
        return "gdalwarp -rpc" if self.rpcs is not None else "gdalwarp"

    def write(self, dataset: DatasetWriter) -> None:
        """Say it in another raster with the same pixels."""
        if self.points:
            dataset.gcps = (list(self.points), self.crs)
        if self.rpcs is not None:
            dataset.rpcs = self.rpcs


def control_of(image: Any) -> Control | None:
    """Return the control of an open image; few kinds of images have any."""
    control: Control | None = getattr(image, "control", None)
    return control
