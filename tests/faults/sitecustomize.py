"""Faults for the processes that classify, by the name of the image they open.

Python imports this at its start where this folder is in PYTHONPATH. ``x_SIGSEGV.jpg`` sends that
signal when it is opened, ``x_HANG.jpg`` never opens, ``x_ONCE.jpg`` ends the process the first
time, as does such a model: what a decoder or the system does to a process cannot be had by a file.
"""

import os
import re
import signal
import sys
import time
from pathlib import Path

_FAULT = re.compile(r"_(SIG[A-Z]+|HANG|ONCE)\.(jpg|keras)$")


def _opened(event: str, arguments: tuple[object, ...]) -> None:
    found = event == "open" and _FAULT.search(str(arguments[0]))
    if not found:
        return
    if found[1] == "HANG":
        time.sleep(600)
    elif found[1] == "ONCE":
        mark = Path(f"{arguments[0]}.seen")
        if not mark.exists():
            mark.mkdir()
            os._exit(7)
    else:
        os.kill(os.getpid(), getattr(signal, found[1]))


if "pixelcat.processors.workers.child" in sys.orig_argv:
    sys.addaudithook(_opened)
