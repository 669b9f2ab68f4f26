"""Sheets of an XLSX workbook as text, through pyogrio; fiona's GDAL does not read them."""

from collections.abc import Iterator
from pathlib import Path

import pyogrio

from ....catalog.errors import ItemError, SourceError, first_line
from ....catalog.lock import assert_not_live
from ...ogr_files import check_alone
from .archive import Archive

_CHUNK = 5_000
_AS_TEXT = {"HEADERS": "FORCE", "FIELD_TYPES": "STRING", "read_geometry": False}


def sheets(path: Path) -> list[str]:
    """Return the names of the sheets; none where the workbook cannot be read."""
    try:
        _check(path)
        check_alone(path)
        return [str(name) for name, _ in pyogrio.list_layers(path)]
    except (SourceError, RuntimeError, ValueError):  # pyogrio's errors are RuntimeErrors
        return []


def header(path: Path, sheet: str) -> list[str]:
    """Return the column names of a sheet; none where it cannot be read."""
    try:
        meta = pyogrio.raw.read(path, layer=sheet, max_features=1, **_AS_TEXT)[0]
    except (RuntimeError, ValueError):
        return []
    return [str(name) for name in meta["fields"]]


def rows(path: Path, sheet: str) -> Iterator[list[str]]:
    """Yield the rows of a sheet, the header left out.

    Raises:
        SourceError: It cannot be read to its end.
    """
    start = 0
    while True:
        try:
            _check(path)
            columns = pyogrio.raw.read(
                path, layer=sheet, skip_features=start, max_features=_CHUNK, **_AS_TEXT
            )[3]
        except (RuntimeError, ValueError) as error:
            raise SourceError(f"{path}: sheet {sheet}: {first_line(error)}") from error
        if not columns or not len(columns[0]):
            return
        for row in zip(*(column.tolist() for column in columns), strict=True):
            yield ["" if cell is None else str(cell) for cell in row]
        start += len(columns[0])


def _check(path: Path) -> None:
    """Refuse a workbook with parts packed too tightly before GDAL unpacks them."""
    assert_not_live(path)
    with Archive(path) as archive:
        for name in archive.members:
            try:
                archive.open(name).close()
            except ItemError as error:
                raise SourceError(f"{path}: {name} {error}") from error
