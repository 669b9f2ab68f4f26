"""Tables as text (CSV, TSV): every value stays the text that it is.

Separator and encoding are told from the file: ``,``, ``;``, tab or ``|``; UTF-8, UTF-16
with a mark, else Windows-1252.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..catalog.errors import SourceError, first_line
from ..catalog.lock import assert_not_live
from .text_tables import allow_long_values, encoding_of

_SEPARATORS = ",;\t|"


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvFormat:
    """How a table is written."""

    encoding: str
    separator: str
    columns: tuple[str, ...]
    """Names from the first line; one that is empty or repeats gets a number."""


def csv_format(path: Path) -> CsvFormat:
    """Find out how a table is written.

    Raises:
        SourceError: Unreadable, or without a line of names.
    """
    assert_not_live(path)
    allow_long_values()
    try:
        encoding = encoding_of(lambda: path.open("rb"))
        headers = {separator: _header(path, encoding, separator) for separator in _SEPARATORS}
    except (OSError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read as a table: {first_line(error)}") from error
    separator = max(headers, key=lambda each: len(headers[each]))
    if not any(headers[separator]):
        raise SourceError(f"{path}: the first line names no columns")
    return CsvFormat(encoding=encoding, separator=separator, columns=_distinct(headers[separator]))


def csv_rows(path: Path, form: CsvFormat) -> Iterator[tuple[int, list[str | None]]]:
    """Yield (number, values) of each row from 1 on; an empty value is None.

    Empty lines are left out; a row that is too short ends with None, and what goes beyond
    the last column is left out.

    Raises:
        SourceError: Not readable to its end.
    """
    width = len(form.columns)
    number = 0
    try:
        with open(path, encoding=form.encoding, errors="replace", newline="") as file:
            reader = csv.reader(file, delimiter=form.separator)
            next(reader, None)
            for row in reader:
                if not any(row):
                    continue
                number += 1
                yield number, [*(v or None for v in row[:width]), *[None] * (width - len(row))]
    except (OSError, csv.Error) as error:
        raise SourceError(f"{path}: row {number + 1}: {first_line(error)}") from error


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
