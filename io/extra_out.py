"""Rasters of fractions beside a class raster: confidence, probabilities, entropy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affine import Affine
from rasterio.io import DatasetWriter

from .cog import CogWriter
from .control import Control
from .map_system import METHODS, Destination
from .moved import MovedWriter
from .pyramid import averaged
from .raster_out import profile_of

STEPS = 254
"""A fraction 0 to 1 is stored in uint8 as so many steps; 255 is left for NoData."""
NODATA = {"uint8": 255.0, "float32": math.nan}
"""By the types that there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtraRasterSpec:
    """What such a raster is, pixels apart."""

    width: int
    height: int
    bands: tuple[str, ...]
    """What each band is."""
    dtype: str
    """``uint8``: fractions times ``STEPS``, with that scale in the file; or ``float32``."""
    transform: Affine | None = None
    """None for a photo."""
    crs: str | None = None
    """WKT."""
    control: Control | None = None
    """What else says where the pixels lie."""
    tags: Mapping[str, str] = field(default_factory=dict)
    moved_to: Destination | None = None
    """Another grid, on which the raster is published."""


def extra_writer(path: Path, spec: ExtraRasterSpec) -> CogWriter | MovedWriter:
    """Start a raster; overviews have the mean.

    Raises:
        OutputError: The file cannot be made.
    """
    profile: dict[str, Any] = {
        **profile_of(spec.width, spec.height, spec.transform, spec.crs),
        "count": len(spec.bands),
        "dtype": spec.dtype,
        "nodata": NODATA[spec.dtype],
        "interleave": "pixel",
        "photometric": "minisblack",
    }

    def describe(dataset: DatasetWriter) -> None:
        dataset.descriptions = spec.bands
        dataset.update_tags(**spec.tags)
        if spec.control is not None:
            spec.control.write(dataset)
        if spec.dtype == "uint8":
            dataset.scales = (1 / STEPS,) * len(spec.bands)
            dataset.offsets = (0.0,) * len(spec.bands)

    how: dict[str, Any] = {"halve": averaged, "describe": describe, "predictor": "yes"}
    if spec.moved_to is None:
        return CogWriter(path, profile, **how)
    resampling = METHODS[spec.moved_to.resampling]
    return MovedWriter(path, profile, spec.moved_to.grid, resampling, **how)
