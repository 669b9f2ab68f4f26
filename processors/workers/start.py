"""How images are to be classified: how many processes, from what a user says."""

import math
import os

from ...catalog.errors import UsageError
from . import Workers
from .apart import Apart
from .reading import PATIENCE_S

_VARIABLE = "PIXELCAT_WORKERS"
_MOST = 64


def start(count: int | None = None, patience: float = PATIENCE_S) -> Workers:
    """Return what reads inputs and classifies images; nothing is loaded yet.

    Args:
        count: Processes; 0 for this one; None for what the environment says, or one.
        patience: Seconds without a sign of life after which a process is ended.

    Raises:
        UsageError: No such number.
    """
    if count is None:
        text = os.environ.get(_VARIABLE, "1")
        count = int(text) if text.isdecimal() else -1
    if not 0 <= count <= _MOST:
        raise UsageError(f"--workers (or {_VARIABLE}): expected a number from 0 to {_MOST}")
    if not (math.isfinite(patience) and patience > 0):
        raise UsageError(f"--item-timeout {patience:g}: expected seconds, more than 0")
    if count:
        return Apart(count, patience)
    from .here import Here  # and with it GDAL

    return Here()
