"""The process that runs a raster function: it does what it is asked over a socket.

Started as ``python -m pixelcat.processors.raster_function.child SOCKET LIFELINE``, two file
descriptors. It ends when the socket is closed, and is killed at once when the lifeline is:
that happens when pixelcat ends, however it ends.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ...io.lifeline import hang_on
from .messages import Arrays, receive, send
from .report import told
from .served import Served

_Answer = tuple[Mapping[str, Any], Arrays | None]


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.dont_write_bytecode = True
    inherited, lifeline = map(int, sys.argv[1:3])
    for descriptor in (inherited, lifeline):
        os.set_inheritable(descriptor, False)
    os.dup(inherited)  # closed when the process has gone, and not before it has cleaned up
    hang_on(lifeline)
    served = Served()
    with socket.socket(fileno=inherited) as channel:
        while (message := receive(channel)) is not None:
            method = message.header.pop("method")
            send(channel, *_answer(served, method, message.header, message.arrays))


def _answer(served: Served, method: str, facts: Mapping[str, Any], arrays: Arrays) -> _Answer:
    """Return an answer, or what went wrong: foreign code may raise anything."""
    call: Callable[..., Any] = getattr(served, method)
    try:
        if arrays:
            return {}, call(arrays=arrays, **facts)
        return call(**facts), None
    except (Exception, SystemExit) as error:  # noqa: BLE001  told to who asked
        return {"error": told(error, served.folder)}, None


if __name__ == "__main__":
    main()
