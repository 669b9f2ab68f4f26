"""Rows of the rasters beside class rasters: confidence, probabilities, entropy."""

import sqlite3
from collections.abc import Sequence

from .records import ExtraRaster

_COLUMNS = tuple(ExtraRaster.__dataclass_fields__)


def write(connection: sqlite3.Connection, output_id: int, extras: Sequence[ExtraRaster]) -> None:
    """Write those of an output."""
    connection.executemany(
        f"INSERT INTO extra_rasters (output_id, {', '.join(_COLUMNS)})"
        f" VALUES (?, {', '.join('?' for _ in _COLUMNS)})",
        [(output_id, *(getattr(each, name) for name in _COLUMNS)) for each in extras],
    )


def read(connection: sqlite3.Connection, output_id: int) -> tuple[ExtraRaster, ...]:
    """Return those of an output."""
    rows = connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM extra_rasters WHERE output_id = ? ORDER BY id",
        (output_id,),
    )
    return tuple(ExtraRaster(**dict(zip(_COLUMNS, row, strict=True))) for row in rows)
