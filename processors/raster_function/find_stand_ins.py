"""Finding our stand-ins for modules of ArcGIS, where there are none with these names."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

_FOLDER = Path(__file__).parent / "stand_ins"
_NAMES = ("arcpy", "prf_utils", "attribute_table")


class _Finder(MetaPathFinder):
    """Comes last of all finders, so that a module of that name elsewhere is preferred."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname not in _NAMES:
            return None
        return spec_from_file_location(fullname, _FOLDER / f"{fullname}.py")


def install() -> None:
    """Have the stand-ins found."""
    sys.meta_path.append(_Finder())
