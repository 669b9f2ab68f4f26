"""Rows on standard output or in a file, in the format asked for."""

import csv
import functools
import io
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

import click
from tabulate import tabulate

from .catalog.guard import fitting
from .catalog.query import Answer, Rows
from .cli_text import legible, print_lines

Printed = Iterable[Iterable[Any]]
_WKT = re.compile(r"(MULTI)?(POINT|LINESTRING|POLYGON)|GEOMETRYCOLLECTION")
_WIDEST_SHAPE = 60
_END = "\r\n"
"""Of a row while it is written: fields that hold a part of it are quoted."""

FORMATS = ("table", "json", "ndjson", "csv", "tsv")
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How rows are printed on standard output.",
)


def as_rows(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Return dictionaries of the same keys as rows."""
    columns = tuple(rows[0]) if rows else ()
    return Rows(columns=columns, rows=[tuple(row.values()) for row in rows])


def print_rows(answer: Rows | Answer, format_: str, out: TextIO | None = None) -> None:
    """Print rows in one of the ``FORMATS``.

    Args:
        answer: Rows; those that come one by one are printed so where the format allows it.
        format_: Its name.
        out: Where; default standard output.
    """
    print_lines(
        _WRITERS[format_](answer.columns, (map(printable, row) for row in answer.rows)), out
    )


def printable(value: Any) -> Any:
    """Show geometries as WKT and other bytes by size; JSON knows no infinity."""
    if isinstance(value, bytes):
        if value[:2] != b"GP":
            return f"<blob {len(value)} bytes>"
        from .io.answer_out import as_text

        return as_text(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(columns: Sequence[str], answer: Printed) -> Iterator[str]:
    if not columns:
        return
    rows = [tuple(row) for row in fitting(tuple(row) for row in answer)]
    numeric = [
        all(isinstance(row[index], int | float | None) for row in rows)
        for index in range(len(columns))
    ]
    shown = [list(map(_cell, row)) for row in rows]
    names = list(map(legible, columns))
    align = ["right" if each else "left" for each in numeric]
    yield (
        tabulate(shown, headers=names, disable_numparse=True, colalign=align)
        if rows
        else "  ".join(names) + "\n(no rows)"
    )


def _cell(value: Any) -> Any:
    """Write numbers for the eye, and cut geometries that no eye would read."""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str) and len(value) > _WIDEST_SHAPE and _WKT.match(value):
        return f"{value[:_WIDEST_SHAPE]}..."
    return legible(value) if isinstance(value, str) else value


def _number(value: float) -> str:
    """Write a number for the eye: four decimals at most, no exponent where none is needed."""
    if value and abs(value) < 0.001:
        return f"{value:.3g}"
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _json(columns: Sequence[str], answer: Printed) -> Iterator[str]:
    rows = [dict(zip(columns, row, strict=True)) for row in fitting(map(tuple, answer))]
    yield json.dumps(rows, indent=1, ensure_ascii=False)


def _ndjson(columns: Sequence[str], answer: Printed) -> Iterator[str]:
    for row in answer:
        yield json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)


def _separated(separator: str, columns: Sequence[str], answer: Printed) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator=_END)
    for row in itertools.chain([columns], answer):
        writer.writerow(list(row))
        yield buffer.getvalue().removesuffix(_END)
        buffer.seek(0)
        buffer.truncate()


_WRITERS: dict[str, Callable[[Sequence[str], Printed], Iterator[str]]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
    "csv": functools.partial(_separated, ","),
    "tsv": functools.partial(_separated, "\t"),
}
