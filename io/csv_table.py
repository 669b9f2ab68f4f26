"""Tables as text (CSV, TSV): every value stays the text that it is.

Separator and encoding are told from the file: ``,``, ``;``, tab or ``|``; UTF-8, UTF-16
with a mark, else Windows-1252.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..catalog.errors import SourceError, first_line
from ..catalog.lock import assert_not_live
from .text_tables import MORE_CELLS, allow_long_values, encoding_of, marked_encoding

_SEPARATORS = ",;\t|"
_HEAD_BYTES = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvFormat:
    """How a table is written."""

    encoding: str
    separator: str
    columns: tuple[str, ...]
    """Names from the first line; one that is empty or repeats gets a number."""
    has_more: bool = False
    """Whether the last column holds what rows have beyond the first line."""


def csv_format(path: Path) -> CsvFormat:
    """Find out how a table is written.

    Raises:
        SourceError: Unreadable, or without a line of names.
    """
    assert_not_live(path)
    allow_long_values()
    try:
        head = _head(path)
        encoding = encoding_of(lambda: path.open("rb"))
        headers = {separator: _header(path, encoding, separator) for separator in _SEPARATORS}
    except (OSError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read as a table: {first_line(error)}") from error
    separator = max(headers, key=lambda each: len(headers[each]))
    if not head:
        raise SourceError(f"{path}: an empty file (0 bytes)")
    if b"\0" in head and marked_encoding(head) is None:
        raise SourceError(f"{path}: no text, it holds zero bytes; save it anew as CSV in UTF-8")
    if not any(headers[separator]):
        raise SourceError(f"{path}: the first line names no columns")
    names = headers[separator]
    form = CsvFormat(encoding=encoding, separator=separator, columns=_distinct(names))
    if not any(any(row[len(names) :]) for row in _lines(path, form)):
        return form
    return replace(form, columns=_distinct([*names, MORE_CELLS]), has_more=True)


def csv_rows(path: Path, form: CsvFormat) -> Iterator[tuple[int, list[str | None]]]:
    """Yield (number, values) of each row from 1 on; an empty value is None.

    Empty lines are left out; a row that is too short ends with None, and what goes beyond
    the first line is a list in JSON.

    Raises:
        SourceError: Not readable to its end.
    """
    width = len(form.columns) - form.has_more
    for number, row in enumerate(_lines(path, form), 1):
        values = [*(v or None for v in row[:width]), *[None] * (width - len(row))]
        if form.has_more:
            more = row[width:]
            values.append(json.dumps(more, ensure_ascii=False) if any(more) else None)
        yield number, values


def _lines(path: Path, form: CsvFormat) -> Iterator[list[str]]:
    """Yield the rows as they are, without the first line and empty ones."""
    number = 0
    try:
        with open(path, encoding=form.encoding, errors="replace", newline="") as file:
            reader = csv.reader(file, delimiter=form.separator)
            next(reader, None)
            for row in reader:
                if any(row):
                    number += 1
                    yield row
    except (OSError, csv.Error) as error:
        raise SourceError(f"{path}: row {number + 1}: {first_line(error)}") from error


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(_HEAD_BYTES)


def _header(path: Path, encoding: str, separator: str) -> list[str]:
    with open(path, encoding=encoding, errors="replace", newline="") as file:
        return [name.strip() for name in next(csv.reader(file, delimiter=separator), [])]


def _distinct(names: list[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for position, name in enumerate(names, 1):
        label, number = name or f"column_{position}", 1
        while label.lower() in found:
            number += 1
            label = f"{name or 'column'}_{number}"
        found[label.lower()] = label
    return tuple(found.values())
