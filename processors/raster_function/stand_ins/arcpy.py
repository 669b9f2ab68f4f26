"""Stands in for ArcGIS's ``arcpy``: settings, messages and the choice of a device."""

import sys
import tempfile
from types import ModuleType, SimpleNamespace
from typing import NoReturn

env = SimpleNamespace(
    pixelcat=True,
    processorType="CPU",
    gpuId="0",
    cellSize=None,
    extent=None,
    mask=None,
    outputCoordinateSystem=None,
    overwriteOutput=False,
    parallelProcessingFactor=None,
    scratchFolder=tempfile.gettempdir(),
    snapRaster=None,
    workspace=None,
)
"""Settings; a raster function may change them, and nothing else does."""


def AddMessage(message: object) -> None:  # noqa: N802
    """Print a message."""
    print(message, flush=True)


def AddWarning(message: object) -> None:  # noqa: N802
    """Print a warning."""
    AddMessage(f"warning: {message}")


def AddError(message: object) -> None:  # noqa: N802
    """Print an error; it does not end anything."""
    AddMessage(f"error: {message}")


def SetProgressor(*_: object, **__: object) -> None:  # noqa: N802
    """Do nothing: progress is told per image."""


SetProgressorLabel = SetProgressorPosition = ResetProgressor = SetProgressor


def _get_available_device(max_memory: float = 0.8) -> int:
    """Return the first GPU where there is one, else -1 for the CPU."""
    return int(env.gpuId) if env.processorType == "GPU" else -1


def __getattr__(name: str) -> NoReturn:
    """Say what is missing.

    Raises:
        AttributeError: Always.
    """
    raise AttributeError(f"arcpy.{name} exists in ArcGIS only; there is no arcpy here")


__path__: list[str] = []
ia = ModuleType("arcpy.ia")
ia.__path__ = []
util = ModuleType("arcpy.ia.util")
setattr(util, "get_available_device", _get_available_device)  # noqa: B010
setattr(ia, "util", util)  # noqa: B010
sys.modules |= {"arcpy.ia": ia, "arcpy.ia.util": util}
del util
