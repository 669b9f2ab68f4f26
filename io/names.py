"""File names made of names from outside: data in, nothing but a harmless name out."""

import re
import unicodedata
from pathlib import PurePath

_MAX_BYTES = 80
_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|(COM|LPT)\d)", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever comes after their first dot."""


def safe_stem(name: str) -> str:
    """Return a name without its suffix as :func:`safe_name` has it."""
    return safe_name(PurePath(name.replace("\\", "/")).stem)


def safe_name(text: str) -> str:
    """Return a text as a name that Linux, macOS and Windows take, and never a path.

    Letters, digits, ``-``, ``_`` and ``.`` stay (in any script, NFC); the rest becomes ``_``.
    Two texts may get one name, or names that differ in case alone: see :class:`FreeNames`.
    """
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    text = re.sub(r"[^\w.-]+", "_", text).strip("._ ")
    text = _cut(text) or "image"
    device = unicodedata.normalize("NFKC", text.partition(".")[0])  # COM² is COM2 to Windows
    return _cut(f"_{text}") if _DEVICES.fullmatch(device) else text


def _cut(text: str) -> str:
    return text.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip("._ ")


class FreeNames:
    """Names in one folder, each given once, whether or not the disk tells cases apart."""

    def __init__(self) -> None:
        """Begin with an empty folder."""
        self._taken: set[str] = set()

    def take(self, stem: str, endings: tuple[str, ...] = ("",)) -> str:
        """Return a stem whose names are free with all endings, and take them.

        Args:
            stem: The one wanted; it gets a number where it must.
            endings: Of the names that are made of it.
        """
        free, number = stem, 1
        while any((free + end).casefold() in self._taken for end in endings):
            number += 1
            free = f"{stem}_{number}"
        self._taken.update((free + end).casefold() for end in endings)
        return free
