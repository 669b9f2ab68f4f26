"""Tables as text: which encoding, which separator, which rows."""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from typing import IO

from ....catalog.errors import ItemError, SourceError, first_line
from .archive import DAMAGED

_CHUNK = 1 << 20
_HEAD = 1 << 16
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_MAX_CELL = 1 << 24

Open = Callable[[], IO[bytes]]


def header(head: bytes) -> list[str]:
    """Return the column names of what may be a table of text; nothing for anything else."""
    if _bom(head) is None and (b"\x00" in head or head[:1] in (b"<", b"{", b"[")):
        return []
    text = head.decode(_encoding(lambda: io.BytesIO(head), is_whole=False), "replace")
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)), [])
    except csv.Error:
        return []


def rows(where: str, open_: Open) -> Iterator[list[str]]:
    """Yield the rows of a table, the header first; empty lines are no rows.

    Args:
        where: What the table is called in a message.
        open_: Opens it.

    Raises:
        SourceError: It cannot be read to its end.
    """
    csv.field_size_limit(_MAX_CELL)  # of the process; free text outgrows the 128 KiB default
    try:
        encoding = _encoding(open_)
        with open_() as file:
            text = file.read(_HEAD).decode(encoding, "replace")
        with open_() as file, io.TextIOWrapper(file, encoding, "replace", newline="") as lines:
            for row in csv.reader(lines, delimiter=_delimiter(text)):
                if any(row):
                    yield row
    except (ItemError, csv.Error, *DAMAGED) as error:
        raise SourceError(f"{where}: cannot be read as a table: {first_line(error)}") from error


def _bom(head: bytes) -> str | None:
    return next((name for bom, name in _BOMS if head.startswith(bom)), None)


def _encoding(open_: Open, *, is_whole: bool = True) -> str:
    """Return UTF-8 where all of the text is that, else what Excel writes on Windows."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_() as file:
        chunk = file.read(_CHUNK)
        marked = _bom(chunk)
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


def _delimiter(text: str) -> str:
    """Return the separator that cuts the first line into most cells."""
    first = io.StringIO(text, newline="").readline()
    return max(",;\t", key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
