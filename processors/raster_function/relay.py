"""Passing on what a raster function prints: to our standard error, a line at a time."""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator

MOST_LINES = 100
"""Lines passed on per run."""
_LONGEST_LINE = 500
_KEPT_LINES = 20
_CHUNK = 1 << 16


class Printed:
    """What the function of one model prints, whatever process it runs in."""

    def __init__(self, name: str) -> None:
        """Take the name of the model, which begins every line."""
        self._name = plain(name)
        self._left = MOST_LINES
        self._lock = threading.Lock()

    def show(self, line: str) -> None:
        """Write a line to our standard error; beyond the limit only that there are more."""
        with self._lock:
            self._left -= 1
            if self._left >= 0:
                self._write(line)
            elif self._left == -1:
                self._write(f"has printed more than {MOST_LINES} lines; the rest is not shown")

    def _write(self, line: str) -> None:
        try:
            print(f"{self._name}: {line}", file=sys.stderr, flush=True)
        except (OSError, ValueError):  # nobody reads our standard error any more
            self._left = -1


class LastLines:
    """The last lines of standard error, for when the process dies."""

    def __init__(self) -> None:
        """Start without any."""
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def keep(self, line: str) -> None:
        """Add a line."""
        self._lines.append(line)

    @property
    def last(self) -> str:
        """The last line that is not empty; an empty text where there is none."""
        return next((line for line in reversed(self._lines) if line), "")


class Reader(threading.Thread):
    """A thread that takes a process's output line by line, however much there is."""

    def __init__(self, descriptor: int, take: Callable[[str], None]) -> None:
        """Take a file descriptor, closed at the end of the output, and what takes lines."""
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self._take = take
        self.start()

    def run(self) -> None:
        """Read until nobody can write any more."""
        try:
            for line in self._lines():
                self._take(plain(line))
        finally:
            os.close(self._descriptor)

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        while chunk := os.read(self._descriptor, _CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            rest = rest[-_CHUNK:]
        if rest:
            yield rest


def plain(line: bytes | str) -> str:
    """Return a line of foreign output as one line of harmless text."""
    text = line if isinstance(line, str) else line.decode(errors="replace")
    shown = "".join(c if c.isprintable() else " " for c in text.expandtabs(4))
    return shown.rstrip()[:_LONGEST_LINE]
