"""What the commands share: options that take pairs, and rows printed in the format asked for."""

import csv
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click
from tabulate import tabulate

from .catalog.errors import UsageError
from .catalog.query import Rows

if TYPE_CHECKING:
    from .processors.trust import ModelCode

Command = TypeVar("Command", bound=Callable[..., Any])

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "ndjson", "csv"]),
    default="table",
    show_default=True,
    help="How rows are printed on standard output.",
)


classes_option = click.option(
    "--classes", type=click.Path(), metavar="FILE",
    help="CSV or JSON with value, name and color of each class.",
)  # fmt: skip


def code_options(command: Command) -> Command:
    """Add the options about a Python raster function that comes with a model."""
    for option in (
        click.option(
            "--ignore-model-code", is_flag=True,
            help="Leave a model's Python raster function alone and run its network.",
        ),
        click.option(
            "--trust-model-code", is_flag=True,
            help="Run a model's Python raster function, code that may do whatever you may do.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def _columns(_: click.Context, __: click.Parameter, text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]


def table_options(command: Command) -> Command:
    """Add the options about layers and tables with columns of photos."""
    for option in (
        click.option(
            "--xy", metavar="X,Y", callback=_columns,
            help="Columns of longitude and latitude of a table without geometry.",
        ),
        click.option(
            "--media", type=click.Path(), metavar="FOLDER",
            help="Folder of the photos that a table names.  [default: searched near the table]",
        ),
        click.option(
            "--photo-column", "photo_columns", multiple=True, metavar="NAME",
            help="A column that names or holds photos; repeatable.  [default: found by its values]",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def argument_options(command: Command) -> Command:
    """Add the options about the arguments of a model."""
    for option in (
        click.option(
            "--class-map", metavar="photo|model",
            help="Size of a photo's class map: that of the photo, or the one that the model sees."
            "  [default: photo]",
        ),
        click.option(
            "--image-size", metavar="PIXELS",
            help="The model sees every photo with so many pixels on its longer side.",
        ),
        click.option(
            "--image-scale", metavar="FACTOR",
            help="The model sees photos at this scale: 0.5 for a model that was trained on photos"
            " of half the width and height.  [default: 1]",
        ),
        click.option(
            "--arguments", "text", metavar="TEXT", default="",
            help='The same as ArcGIS writes it, "padding 56;batch_size 16", or as a JSON object.',
        ),
        click.option(
            "--arg", "arguments", multiple=True, callback=pairs, metavar="NAME=VALUE",
            help="A model argument; repeatable. pixelcat model info lists them.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def model_code(trust: bool, ignore: bool) -> "ModelCode":
    """Return what ``code_options`` say.

    Raises:
        UsageError: Both.
    """
    if trust and ignore:
        raise UsageError("--trust-model-code and --ignore-model-code exclude each other")
    return "run" if trust else "ignore" if ignore else "refuse"


def pairs(context: click.Context, option: click.Parameter, values: Sequence[str]) -> Any:
    """Turn the values of a repeatable option NAME=VALUE into a dictionary."""
    result = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{value!r} is not name=value", context, option)
        if name.strip() in result:
            raise click.BadParameter(f"{name.strip()} is given twice", context, option)
        result[name.strip()] = text.strip()
    return result


class Progress:
    """A bar on a terminal, nothing elsewhere; a context manager."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._bar: Any = None

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line."""
        if self._bar is not None:
            self._bar.render_finish()

    def show(self, done: int, total: int) -> None:
        """Show that so many of so many items are done."""
        if self._bar is None:
            if not sys.stderr.isatty():
                return
            self._bar = click.progressbar(
                length=total, label="classifying", file=sys.stderr, show_pos=True
            )
        self._bar.update(done - self._bar.pos)


def as_rows(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Return dictionaries of the same keys as rows."""
    columns = tuple(rows[0]) if rows else ()
    return Rows(columns=columns, rows=[tuple(row.values()) for row in rows])


def print_rows(answer: Rows, format_: str) -> None:
    """Print rows on standard output in one of the formats of ``format_option``."""
    rows = [tuple(map(_printable, row)) for row in answer.rows]
    try:
        _WRITERS[format_](Rows(columns=answer.columns, rows=rows))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _printable(value: Any) -> Any:
    """Show BLOBs by size; JSON knows no infinity."""
    if isinstance(value, bytes):
        return f"<blob {len(value)} bytes>"
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(answer: Rows) -> None:
    if not answer.columns:
        return
    numeric = [
        all(isinstance(row[index], int | float | None) for row in answer.rows)
        for index in range(len(answer.columns))
    ]
    rows = [[_number(v) if isinstance(v, float) else v for v in row] for row in answer.rows]
    align = ["right" if each else "left" for each in numeric]
    click.echo(
        tabulate(rows, headers=answer.columns, disable_numparse=True, colalign=align)
        if rows
        else "  ".join(answer.columns) + "\n(no rows)"
    )


def _number(value: float) -> str:
    """Write a number for the eye: four decimals at most, no exponent where none is needed."""
    if value and abs(value) < 0.001:
        return f"{value:.3g}"
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _json(answer: Rows) -> None:
    click.echo(json.dumps(answer.dicts(), indent=1, ensure_ascii=False))


def _ndjson(answer: Rows) -> None:
    for row in answer.dicts():
        click.echo(json.dumps(row, ensure_ascii=False))


def _csv(answer: Rows) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)


_WRITERS: dict[str, Callable[[Rows], None]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
    "csv": _csv,
}
