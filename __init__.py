"""Classify every pixel of imagery with a Keras model and keep the answers in SQL."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalog.errors import PixelcatError
    from .catalog.store import Catalog
    from .processors.classify import classify
    from .processors.definition import ModelDefinition
    from .processors.diff import Diff, diff
    from .processors.results import Run, open_catalog
    from .processors.survey import Survey, scan
    from .processors.zones import Zones, zones

__all__ = [
    "Catalog",
    "Diff",
    "ModelDefinition",
    "PixelcatError",
    "Run",
    "Survey",
    "Zones",
    "__version__",
    "classify",
    "diff",
    "open_catalog",
    "scan",
    "zones",
]

__version__ = "0.1.0"

_HOME = {
    "Catalog": ".catalog.store",
    "Diff": ".processors.diff",
    "ModelDefinition": ".processors.definition",
    "PixelcatError": ".catalog.errors",
    "Run": ".processors.results",
    "Survey": ".processors.survey",
    "Zones": ".processors.zones",
    "classify": ".processors.classify",
    "diff": ".processors.diff",
    "open_catalog": ".processors.results",
    "scan": ".processors.survey",
    "zones": ".processors.zones",
}


def _guard() -> None:
    """Load SQLite before TensorFlow can replace it, or bound to itself after: io/native.py."""
    if "tensorflow" in sys.modules:
        import_module(".io.native", __name__).load()
    import_module("sqlite3")


_guard()


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that ``import pixelcat`` stays cheap."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _guard()
    return getattr(import_module(_HOME[name], __name__), name)
