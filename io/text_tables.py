"""What all text tables share: telling the encoding, and long values."""

import codecs
import csv
from collections.abc import Callable
from typing import IO

Open = Callable[[], IO[bytes]]

MORE_CELLS = "more_cells"
"""The column of what rows have beyond the header."""
_CHUNK = 1 << 20
_LONGEST_VALUE = 1 << 30
"""Bytes; the limit of ``csv``, 128 KiB, is less than a photo in base64."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def allow_long_values() -> None:
    """Raise the limit of ``csv``, which holds for the whole process."""
    csv.field_size_limit(_LONGEST_VALUE)


def marked_encoding(head: bytes) -> str | None:
    """Return what a byte order mark says, None where there is none."""
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)


def encoding_of(open_: Open, *, is_whole: bool = True) -> str:
    """Return what a mark says, else UTF-8 where all is that, else what Excel writes on Windows.

    Args:
        open_: Opens the text as bytes.
        is_whole: Whether it is all of the text; a part may end within a letter.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_() as file:
        chunk = file.read(_CHUNK)
        marked = marked_encoding(chunk)
        if marked is not None:
            return marked
        try:
            while chunk:
                decoder.decode(chunk)
                chunk = file.read(_CHUNK)
            decoder.decode(b"", final=is_whole)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"
