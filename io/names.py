"""File names made of names from outside: data in, nothing but a harmless name out."""

import re
import unicodedata
from pathlib import PurePath

_MAX_BYTES = 80


def safe_stem(name: str) -> str:
    """Return a name without its suffix, fit for every file system and never a path.

    Letters, digits, ``-``, ``_`` and ``.`` stay (in any script, NFC); the rest becomes ``_``.
    """
    stem = PurePath(name.replace("\\", "/")).stem
    text = unicodedata.normalize("NFC", stem.encode("utf-8", "replace").decode())
    text = re.sub(r"[^\w.-]+", "_", text).strip("._ ")
    return text.encode()[:_MAX_BYTES].decode(errors="ignore") or "image"
