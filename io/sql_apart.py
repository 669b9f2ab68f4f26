"""SQL asked in a process of its own, which can be ended whatever it is at.

Inside one call of a function SQLite looks at no clock and GEOS at no limit of memory. So another
process works the answer out, and a thread here ends it when its time is over or it has grown too
large. It writes messages, a line of JSON each; see :mod:`.sql_told` for its end of the pipe.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from ..catalog import errors, guard
from ..catalog.query import TIME_LIMIT_S, Answer, Parameters
from .sql_told import from_json, to_json

_SETTINGS = ("OGR_", "SPATIALITE_", "CPL_", "GDAL_")
"""Beginnings of the names of environment variables that could allow what we do not."""
_START_S = 120.0
"""What a process may take to start, on a busy machine."""
_LOOK_EVERY_S = 0.05
Messages = Iterator[dict[str, Any]]


@contextmanager
def asked(
    path: str | os.PathLike[str],
    sql: str,
    parameters: Parameters = (),
    *,
    time_limit_s: float = TIME_LIMIT_S,
) -> Iterator[Answer]:
    """Run a statement with our ``ST_*`` functions in a process of its own.

    Args:
        path: The catalog.
        sql: One statement.
        parameters: Their values.
        time_limit_s: Wall-clock seconds before the process is ended, taking rows included.

    Raises:
        UsageError: The SQL is wrong, writes, takes too long or too much memory.
        SourceError: No such catalog.
        CatalogError: Damaged, or no catalog.
    """
    request = {"path": os.fspath(path), "sql": sql, "parameters": parameters}
    with conversation("pixelcat.io.sql_worker", request, time_limit_s) as messages:
        columns = tuple(next(messages)["columns"])
        yield Answer(columns=columns, rows=rows(messages))


def rows(messages: Messages) -> Iterator[tuple[Any, ...]]:
    """Yield the rows in messages."""
    return map(tuple, chain.from_iterable(message["rows"] for message in messages))


@contextmanager
def conversation(
    module: str, request: Mapping[str, Any], time_limit_s: float
) -> Iterator[Messages]:
    """Start a module as a process, ask it once and give its messages; it ends with the block.

    Args:
        module: What runs there.
        request: What it is asked.
        time_limit_s: Wall-clock seconds from when it has started.

    Raises:
        UsageError: It needed too much time or memory.
        PixelcatError: Another that it tells of.
    """
    limits = {"seconds": time_limit_s, "bytes": guard.MAX_MEMORY_BYTES}
    with subprocess.Popen(  # noqa: S603  our own interpreter and module
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=_environment(),
    ) as process:
        watch = _Watch(process, time_limit_s)
        try:
            watch.start()
            with suppress(BrokenPipeError):
                # its end tells the process that nobody waits any more: kept open
                process.stdin.write(to_json({**request, **limits}).encode() + b"\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
            yield _messages(process, watch)
        finally:
            process.kill()
            watch.over.set()
            with suppress(BrokenPipeError):
                process.stdin.close()  # type: ignore[union-attr]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    return {**kept, "OPENBLAS_NUM_THREADS": "1"}  # each thread would reserve memory


def _messages(process: "subprocess.Popen[bytes]", watch: "_Watch") -> Messages:
    for line in process.stdout or ():
        message = from_json(line) if line.endswith(b"\n") else {}
        if "error" in message:
            raise getattr(errors, message["kind"] or "", RuntimeError)(message["error"])
        if "end" in message:
            return
        if "started" in message:
            watch.begin()
        elif message:
            yield message
    code = process.wait()
    reason = watch.reason or f"the process that worked it out ended by itself ({code})"
    raise errors.UsageError(f"sql: {reason}; narrow the query")


class _Watch(threading.Thread):
    """Ends a process that takes too long or too much memory."""

    def __init__(self, process: "subprocess.Popen[bytes]", time_limit_s: float) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._time_limit_s = time_limit_s
        self._end = time.monotonic() + time_limit_s + _START_S
        self._most = sys.maxsize
        self.reason: str | None = None
        self.over = threading.Event()

    def begin(self) -> None:
        """Count from now on."""
        self._end = time.monotonic() + self._time_limit_s
        self._most = _resident(self._process.pid) + guard.MAX_MEMORY_BYTES

    def run(self) -> None:
        """Look at it until it is over."""
        while not self.over.wait(_LOOK_EVERY_S):
            if time.monotonic() > self._end:
                self.reason = f"stopped after {self._time_limit_s:g} s"
            elif _resident(self._process.pid) > self._most:
                self.reason = "needs too much memory"
            if self.reason:
                return self._process.kill()
        return None


def _resident(process: int) -> int:
    """Return how much memory a process holds; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
