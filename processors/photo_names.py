"""Names of exported photos and of the folders of their features, made of columns."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path, PurePath
from string import Formatter
from typing import Any

from ..catalog.errors import UsageError
from ..io.names import FreeNames, safe_name
from .also import KINDS

IMAGE_SUFFIXES = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/tiff": ".tif", "image/webp": ".webp",
    "image/gif": ".gif", "image/bmp": ".bmp", "image/jp2": ".jp2", "image/heic": ".heic",
    "image/avif": ".avif",
}  # fmt: skip
CLASS_MAP = "_classes.tif"
"""What a class map is called behind the stem of its photo."""


def beside(kind: str) -> str:
    """Return what a raster beside the class map is called behind the stem of the photo."""
    return f"_{kind}.tif"


class Template:
    """A text with names of columns in braces."""

    def __init__(self, text: str) -> None:
        """Take a text.

        Raises:
            UsageError: The braces do not fit together, or hold more than a name.
        """
        try:
            self._parts = [(part, name) for part, name, *_ in _parsed(text)]
        except ValueError as error:
            raise UsageError(f"{text!r}: {error}") from None

    def columns(self, known: Collection[str]) -> set[str]:
        """Return the columns that it names.

        Args:
            known: Those that there are.

        Raises:
            UsageError: It names another one.
        """
        named = {name for _, name in self._parts if name is not None}
        for name in named.difference(known):
            raise UsageError(f"{{{name}}} is no column of the layer; there are {', '.join(known)}")
        return named

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text with values in place of columns; NULL and bytes leave nothing."""
        return "".join(
            part + ("" if name is None else _text(values[name])) for part, name in self._parts
        )


def _parsed(text: str) -> list[tuple[str, str | None]]:
    try:
        parsed = list(Formatter().parse(text))
    except ValueError:
        raise ValueError("a brace lacks its other half; write {name_of_a_column}") from None
    parts = []
    for part, name, form, conversion in parsed:
        if form or conversion or (name is not None and not name):
            raise ValueError("braces hold the name of a column and nothing else")
        parts.append((part, name))
    return parts


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, bytes) else str(value)


class PhotoPaths:
    """Where photos go: each path given once, whether or not the disk tells cases apart."""

    def __init__(self, root: Path) -> None:
        """Begin with an empty folder."""
        self._root = root
        self._folders: dict[tuple[Path, str], Path] = {}
        self._free: dict[Path, FreeNames] = defaultdict(FreeNames)

    def folder(self, *names: str) -> Path:
        """Return a folder in a folder: the same for the same names, and for no others."""
        found = self._root
        for name in names:
            if (found, name) not in self._folders:
                free = self._free[found].take(safe_name(name))
                self._folders[found, name] = found / free
            found = self._folders[found, name]
        return found

    def photo(self, folder: Path, name: str, suffix: str) -> Path:
        """Return the path of a photo that leaves room for its class map, and rasters like it, beside it."""
        stem = safe_name(name)
        if PurePath(stem).suffix.lower() in (*IMAGE_SUFFIXES.values(), ".jpeg"):
            stem = safe_name(PurePath(stem).stem)
        return (
            folder
            / f"{self._free[folder].take(stem, (suffix, CLASS_MAP, *map(beside, KINDS)))}{suffix}"
        )
