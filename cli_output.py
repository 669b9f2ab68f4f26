"""What the commands print: rows in the format asked for, and a progress bar."""

import csv
import functools
import io
import itertools
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar

import click
from tabulate import tabulate

from .catalog.guard import fitting
from .catalog.query import Answer, Rows
from .cli_stop import stopped

if TYPE_CHECKING:
    from .processors.progress import Progress
    from .processors.results import Run

Command = TypeVar("Command", bound=Callable[..., Any])
Printed = Iterable[Iterable[Any]]
_WKT = re.compile(r"(MULTI)?(POINT|LINESTRING|POLYGON)|GEOMETRYCOLLECTION")
_WIDEST_SHAPE = 60


def exit_codes(done: str, *, partly: str | None = None, writes: bool = False) -> str:
    """Return what the help of a command about a catalog says of its exit codes.

    Args:
        done: What 0 means.
        partly: What 3 means; None where the command does not give it.
        writes: Whether it writes into the catalog.
    """
    meanings = {
        0: done,
        2: "the command itself is wrong",
        3: partly,
        5: "the catalog or another input is missing or unreadable",
        70: "an error nobody foresaw; run again with PIXELCAT_DEBUG=1 and report it",
        74: "the disk or the catalog refused",
        75: "a run holds the catalog" if writes else None,
        130: "stopped by Ctrl-C",
    }
    lines = [f"  {code:<4} {meaning}" for code, meaning in meanings.items() if meaning]
    return "\n".join(["\b", "Exit codes:", *lines])


FORMATS = ("table", "json", "ndjson", "csv", "tsv")
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How rows are printed on standard output.",
)


class ProgressBar:
    """A bar on a terminal, nothing elsewhere; a context manager."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._bar: Any = None
        self._work = ""
        self._started = 0.0

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line."""
        self._end()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.render_progress()
            self._bar.render_finish()
        self._bar = None

    def show(self, state: "Progress") -> None:
        """Show how far a run is: share, pixels, speed, images, and the time that is left.

        Raises:
            KeyboardInterrupt: The run is to stop.
        """
        stopped.check()
        if self._bar is None or self._work != state.work:
            if not sys.stderr.isatty():
                return
            self._end()
            self._begin(state)
        self._bar.length = state.pixels  # an image may turn out larger or smaller
        self._bar.update(state.pixels_done - self._bar.pos, state)

    def _begin(self, state: "Progress") -> None:
        self._started = time.monotonic()
        self._work = state.work
        self._bar = click.progressbar(
            length=state.pixels,
            label=state.work,
            file=sys.stderr,
            width=0,
            show_percent=True,
            show_eta=False,
            item_show_func=self._numbers,
            update_min_steps=max(state.pixels // 1000, 1),
        )
        self._bar.current_item = state
        self._bar.render_progress()

    def _numbers(self, state: "Progress | None") -> str:
        if state is None:
            return ""
        elapsed = max(time.monotonic() - self._started, 1e-3)
        rate = state.pixels_done / elapsed
        done, total, speed = (f"{n / 1e6:,.1f}" for n in (state.pixels_done, state.pixels, rate))
        text = f"{done}/{total} Mpx  {speed} Mpx/s  {state.images_done}/{state.images} images"
        if state.pixels_done:
            left = timedelta(seconds=round((state.pixels - state.pixels_done) / rate))
            text += f"  ETA {left}"
        return text


_SHOWN_FAILURES = 20


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
"""What a terminal obeys, and what turns the direction of a text."""


def legible(text: str) -> str:
    """Write out control characters, which a terminal would obey: names come from strangers."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def say(text: str) -> None:
    """Print one line on standard error, whatever line breaks the names in it have."""
    click.echo(legible(" ".join(text.splitlines())), err=True)


def report_run(run: "Run", format_: str) -> None:
    """Say what a run gave: notes and failures on standard error, numbers on standard output."""
    for note in run.notes:
        say(f"note: {note}")
    for failure in run.failures[:_SHOWN_FAILURES]:
        say(f"failed: {failure.image}: {failure.reason}")
    rest = len(run.failures) - _SHOWN_FAILURES
    if rest > 0:
        say(f"failed: {rest} more; see the table item_results")
    if run.status == "stopped":
        say("stopped; the same command goes on from here")
    summary = {
        "run": run.id,
        "done": run.done,
        "of which now": run.classified_now,
        "failed": run.failed,
        "skipped": run.skipped,
        "catalog": os.path.relpath(run.catalog),
        "class rasters": os.path.relpath(run.rasters),
        "layers": ", ".join(run.layers) or "classified_footprints, item_results",
    }
    print_rows(as_rows([summary]), format_)


def usage_line(error: click.ClickException) -> str:
    """Return what Click says of a wrong command in one line, with where to look."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message} Try '{context.command_path} --help'"


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


def print_lines(lines: Iterable[str], out: TextIO | None = None) -> None:
    """Print lines on standard output, or to a file that is open."""
    if out is not None:
        out.writelines(f"{line}\n" for line in lines)
        return
    try:
        for line in lines:
            click.echo(legible(line) if sys.stdout.isatty() else line)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


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
    align = ["right" if each else "left" for each in numeric]
    yield (
        tabulate(shown, headers=columns, disable_numparse=True, colalign=align)
        if rows
        else "  ".join(columns) + "\n(no rows)"
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
    writer = csv.writer(buffer, delimiter=separator, lineterminator="")
    for row in itertools.chain([columns], answer):
        writer.writerow(list(row))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


_WRITERS: dict[str, Callable[[Sequence[str], Printed], Iterator[str]]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
    "csv": functools.partial(_separated, ","),
    "tsv": functools.partial(_separated, "\t"),
}
