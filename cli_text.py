"""Text for the terminal: lines on standard output and standard error."""

import sys
import unicodedata
from collections.abc import Iterable
from typing import TextIO

import click

from .processors import streams

_WRITTEN_OUT = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of Unicode: what a terminal obeys, what turns the direction of a text or is not seen,
halves of characters, and what ends a line."""
_JOINERS = "\u200c\u200d"
"""Emoji, Persian and the scripts of India are written with them: between letters of ASCII they only hide."""


def legible(text: str, keep: str = "") -> str:
    """Write out what a terminal would obey or not show: names come from strangers.

    Args:
        text: Any text.
        keep: Characters that stay as they are.
    """
    if text.isprintable():
        return text
    before = ["", *text]
    return "".join(
        ascii(each)[1:-1]
        if unicodedata.category(each) in _WRITTEN_OUT
        and each not in keep
        and not (each in _JOINERS and last and not last.isascii())
        else each
        for last, each in zip(before, text, strict=False)
    )


def say(text: str) -> None:
    """Print one line on standard error, whatever line breaks the names in it have."""
    click.echo(legible(" ".join(text.splitlines())), err=True)


def print_lines(lines: Iterable[str], out: TextIO | None = None) -> None:
    """Print lines on standard output, or to a file that is open.

    They end where their reader has gone: the rest is neither made nor printed, and what the
    command did has its own exit code.

    Raises:
        OutputError: Standard output does not take them.
    """
    if out is not None:
        out.writelines(f"{line}\n" for line in lines)
        return
    for line in lines:
        click.echo(legible(line, keep="\n\t") if sys.stdout.isatty() else line)
        if isinstance(streams.lost(), BrokenPipeError):
            return
        streams.check()


def usage_line(error: click.ClickException) -> str:
    """Return what Click says of a wrong command in one line, with where to look."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message} Try '{context.command_path} --help'"
