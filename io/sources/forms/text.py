"""Tables as text: which encoding, which separator, which rows."""

import csv
import io
from collections.abc import Iterator

from ....catalog.errors import ItemError, SourceError, first_line
from ...text_tables import Open, allow_long_values, encoding_of, marked_encoding
from .archive import DAMAGED

_HEAD = 1 << 16


def header(head: bytes) -> list[str]:
    """Return the column names of what may be a table of text; nothing for anything else."""
    if marked_encoding(head) is None and (b"\x00" in head or head[:1] in (b"<", b"{", b"[")):
        return []
    text = head.decode(encoding_of(lambda: io.BytesIO(head), is_whole=False), "replace")
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
    allow_long_values()
    try:
        encoding = encoding_of(open_)
        with open_() as file:
            text = file.read(_HEAD).decode(encoding, "replace")
        with open_() as file, io.TextIOWrapper(file, encoding, "replace", newline="") as lines:
            for row in csv.reader(lines, delimiter=_delimiter(text)):
                if any(row):
                    yield row
    except (ItemError, csv.Error, *DAMAGED) as error:
        raise SourceError(f"{where}: cannot be read as a table: {first_line(error)}") from error


def _delimiter(text: str) -> str:
    """Return the separator that cuts the first line into most cells."""
    first = io.StringIO(text, newline="").readline()
    return max(",;\t", key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
