"""Tables as dBASE III files, which GDAL cannot write beside a raster without a shapefile."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

_DATE = (70, 1, 1)
"""Of the last change, as years since 1900, month, day: always the same, so that files are."""


class DbfField(NamedTuple):
    """A column."""

    name: str
    """At most 10 ASCII characters."""
    width: int
    """In bytes, at most 254."""
    is_text: bool = False
    """Else a whole number."""


def dbf_bytes(fields: Sequence[DbfField], rows: Sequence[Sequence[str | int]]) -> bytes:
    """Return a table as a file; texts are UTF-8, cut where they are too long.

    Raises:
        ValueError: A number does not fit its column.
    """
    header = 32 + 32 * len(fields) + 1
    record = 1 + sum(field.width for field in fields)
    parts = [struct.pack("<B3BLHH20x", 3, *_DATE, len(rows), header, record)]
    for field in fields:
        kind = b"C" if field.is_text else b"N"
        name = field.name.encode("ascii")
        parts.append(struct.pack("<11sc4xBB14x", name, kind, field.width, 0))
    parts.append(b"\r")
    for row in rows:
        parts.append(b" ")
        parts += (_cell(field, value) for field, value in zip(fields, row, strict=True))
    return b"".join((*parts, b"\x1a"))


def _cell(field: DbfField, value: str | int) -> bytes:
    if field.is_text:
        text = str(value).replace("\0", " ").encode("utf-8", "replace")[: field.width]
        return text.decode("utf-8", "ignore").encode().ljust(field.width)
    number = str(value).encode()
    if len(number) > field.width:
        raise ValueError(f"{value} does not fit {field.width} digits")
    return number.rjust(field.width)
