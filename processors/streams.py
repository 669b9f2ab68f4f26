"""Standard streams of a process of ours: what nobody can be shown stops nothing.

A terminal may be gone, a disk full, a stream closed from the start. What is written then is lost,
and no error is raised where it is written: a run goes on, whoever writes. That something was lost
on standard output, where results are printed, is asked for with :func:`lost`.
"""

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from ..catalog.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Stream(io.FileIO):
    """A descriptor that can always be written to."""

    error: OSError | None = None
    """Why it takes nothing any more."""

    def write(self, data: "ReadableBuffer") -> int:
        """Write what can be written; whatever cannot is lost, and so is all after it."""
        size = memoryview(data).nbytes
        if self.error is not None:
            return size
        try:
            while (written := super().write(data)) is None:  # whoever else has it wants no waiting
                select.select([], [self], [])
        except OSError as error:
            self.error = error
            return size
        return written


_output: _Stream | None = None


def take() -> None:
    """Make the standard streams of this process such, those that were closed from the start too.

    To be called before anything is opened: it would become one of them.
    """
    global _output
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest number that is free; takes no output
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115  for as long as the process is
    _output = _Stream(1, "w", closefd=False)
    sys.stdout = _text(_output, sys.stdout)
    sys.stderr = writer(2, sys.stderr)


def writer(descriptor: int, like: TextIO | None) -> TextIO:
    """Return a stream of text that can always be written to, encoded as another one."""
    return _text(_Stream(descriptor, "w", closefd=False), like)


def _text(stream: _Stream, like: TextIO | None) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(stream),
        encoding=like.encoding if like else "utf-8",
        errors=like.errors if like else "backslashreplace",
        line_buffering=stream.fileno() != 1 or stream.isatty(),
    )


def lost() -> OSError | None:
    """Return why standard output has not taken all that was written; None where it has."""
    return None if _output is None else _output.error


def check() -> None:
    """Refuse to go on where results could not be printed, though somebody may want them.

    Raises:
        OutputError: Standard output does not take them.
    """
    error = lost()
    if error is None or isinstance(error, BrokenPipeError):
        return
    closed = error.errno == errno.EBADF
    raise OutputError(
        f"standard output {'is closed' if closed else f'takes nothing more: {error.strerror}'};"
        " only what was to be printed is lost"
    )
