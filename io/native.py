"""Loading the libraries that bring an SQLite of their own, so that each keeps its own.

TensorFlow exports the symbols of the SQLite inside it to everything loaded later: a Python
``sqlite3`` or a GDAL that comes after it calls TensorFlow's copy, which has no R-tree and
crashes in functions that it lacks. Loading them with RTLD_DEEPBIND makes each prefer its own.
"""

import os
import sys
from functools import cache
from importlib import import_module

_LIBRARIES = ("sqlite3", "pyproj", "pyogrio", "fiona", "rasterio")

_SKIPPED = "OGR_SKIP"
"""What GDAL is to do without, read when it is loaded."""
_FOLLOWING = "OGR_VRT"
"""The driver of files that describe others, whatever they are called."""


def safe_environment() -> dict[str, str]:
    """Return the environment of this process for one in which GDAL follows no such files."""
    skipped = os.environ.get(_SKIPPED, "")
    names = [name for name in skipped.split(",") if name and name != _FOLLOWING]
    return {**os.environ, _SKIPPED: ",".join([*names, _FOLLOWING])}


@cache
def load() -> None:
    """Import the libraries, bound to their own SQLite; before or after TensorFlow."""
    deepbind = getattr(os, "RTLD_DEEPBIND", 0)
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | deepbind)
    try:
        for name in _LIBRARIES:
            import_module(name)
    finally:
        sys.setdlopenflags(flags)
