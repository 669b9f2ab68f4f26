"""Is this process pixelcat's own, or that of somebody who imports it?"""

import sys
from itertools import pairwise
from pathlib import Path


def is_own_process() -> bool:
    """Return whether this is the program ``pixelcat``, or ``python -m pixelcat...``."""
    modules = [after for word, after in pairwise(sys.orig_argv) if word == "-m"]
    own = any(name.partition(".")[0] == "pixelcat" for name in modules)
    return own or Path(sys.argv[0]).stem == "pixelcat"
