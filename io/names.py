"""File names made of names from outside: data in, nothing but a harmless name out."""

import re
import unicodedata
from pathlib import PurePath

_MAX_BYTES = 80


def safe_stem(name: str) -> str:
    """Return a name without its suffix, fit for every file system and never a path."""
    return safe_name(PurePath(name.replace("\\", "/")).stem)


def safe_name(text: str) -> str:
    """Return a text as a name that is fit for every file system and never a path.

    Letters, digits, ``-``, ``_`` and ``.`` stay (in any script, NFC); the rest becomes ``_``.
    """
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    text = re.sub(r"[^\w.-]+", "_", text).strip("._ ")
    return text.encode()[:_MAX_BYTES].decode(errors="ignore") or "image"
