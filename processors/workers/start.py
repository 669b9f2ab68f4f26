"""How images are to be classified: how many processes, from what a user says."""

import math
import os

from ...catalog.errors import UsageError
from . import Setup, Workers
from .apart import PATIENCE_S, Apart
from .here import Here

_VARIABLE = "PIXELCAT_WORKERS"
_MOST = 64


def start(setup: Setup, count: int | None = None, patience: float = PATIENCE_S) -> Workers:
    """Return what classifies images; nothing is loaded yet.

    Args:
        setup: The model.
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
    return Apart(setup, count, patience) if count else Here(setup)
