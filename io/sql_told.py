"""What a process that works out SQL is asked and tells: lines of JSON on its standard streams.

Bytes are ``{"base64": text}``. A process says ``started``, then what it has, then ``end`` or
``error`` with the ``kind`` of error. It does not outlive the one that asked.
"""

import base64
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..catalog.errors import PixelcatError, first_line
from .lifeline import hang_on

_FILE_BYTES = 1 << 30
_ROWS, _BYTES, _SECONDS = 1000, 1 << 18, 0.2
"""Of a message with rows: what comes first."""


def to_json(message: dict[str, Any]) -> str:
    """Return a message as a line."""
    return json.dumps(message, default=_bytes)


def from_json(line: bytes) -> dict[str, Any]:
    """Return the message in a line."""
    message: dict[str, Any] = json.loads(line, object_hook=_as_bytes)
    return message


def tell(**message: Any) -> None:
    """Send a message."""
    sys.stdout.write(to_json(message) + "\n")
    sys.stdout.flush()


def request() -> dict[str, Any]:
    """Return what is asked; from then on the process lives as long as standard input is open."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = from_json(sys.stdin.buffer.readline())
    hang_on(sys.stdin.fileno())
    return asked


def limit(seconds: float, memory_bytes: int) -> None:
    """Limit this process from outside of all libraries, should nobody watch it.

    Args:
        seconds: Of its processor time, counted from now on.
        memory_bytes: Twice as much may be reserved beyond what is.
    """
    import resource

    with suppress(OSError):  # other systems do not say what is reserved
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + 2 * memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for kind, value in (
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_CPU, int(time.process_time() + 2 * seconds) + 5),
    ):
        resource.setrlimit(kind, (value, value))


def answer(worked_out: Iterable[dict[str, Any]]) -> None:
    """Send messages as they come, and how it ended."""
    try:
        for message in worked_out:
            tell(**message)
        tell(end=True)
    except MemoryError:
        tell(error="sql: needs too much memory; narrow the query", kind="UsageError")
    except BrokenPipeError:
        pass
    except PixelcatError as error:
        tell(error=str(error), kind=type(error).__name__)
    except Exception as error:  # noqa: BLE001  told by who asked
        tell(error=first_line(error), kind=None)


def batches(rows: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Yield rows in messages that are neither late nor large, but for a row that is."""
    batch: list[tuple[Any, ...]] = []
    size, begun = 0, time.monotonic()
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(batch) >= _ROWS or size >= _BYTES or time.monotonic() - begun > _SECONDS:
            yield {"rows": batch}
            batch, size, begun = [], 0, time.monotonic()
    if batch:
        yield {"rows": batch}


def _bytes(value: Any) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


def _as_bytes(found: dict[str, Any]) -> Any:
    return base64.b64decode(found["base64"]) if found.keys() == {"base64"} else found
