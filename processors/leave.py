"""A process that ends without taking TensorFlow apart, which takes a second and changes nothing."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _End:
    """How a process ends."""

    code: int | None = None
    """Its exit code; None for whatever Python makes of it."""

    def leave(self) -> None:
        """End the process now, unless that has to be left to Python."""
        if self.code is None or "tensorflow" not in sys.modules:
            return
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:  # closed from the start
                    stream.flush()
        except (OSError, ValueError):  # Python tells, with an exit code of its own
            return
        os._exit(self.code)


@contextmanager
def quick_end() -> Iterator[None]:
    """Have this process end at once after what is done within, with the exit code that it gives.

    To be entered before anything registers with ``atexit``: the first to come is called last, so
    all that is to be done at the end is done.
    """
    end = _End()
    atexit.register(end.leave)
    try:
        yield
    except SystemExit as exit_:
        if exit_.code is None or isinstance(exit_.code, int):
            end.code = exit_.code or 0
        raise
    else:
        end.code = 0
