"""Text for the terminal: lines on standard output and standard error."""

import re
import sys
from collections.abc import Iterable
from typing import TextIO

import click

from .processors import streams

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
"""What a terminal obeys, and what turns the direction of a text."""


def legible(text: str) -> str:
    """Write out control characters, which a terminal would obey: names come from strangers."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def say(text: str) -> None:
    """Print one line on standard error, whatever line breaks the names in it have."""
    click.echo(legible(" ".join(text.splitlines())), err=True)


def print_lines(lines: Iterable[str], out: TextIO | None = None) -> None:
    """Print lines on standard output, or to a file that is open.

    Raises:
        OutputError: Standard output does not take them.
    """
    if out is not None:
        out.writelines(f"{line}\n" for line in lines)
        return
    for line in lines:
        click.echo(legible(line) if sys.stdout.isatty() else line)
        if isinstance(
            streams.lost(), BrokenPipeError
        ):  # the reader has gone: nothing is left to say
            sys.exit(0)
        streams.check()


def usage_line(error: click.ClickException) -> str:
    """Return what Click says of a wrong command in one line, with where to look."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message} Try '{context.command_path} --help'"
