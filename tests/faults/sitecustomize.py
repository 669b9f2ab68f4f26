"""Faults for the processes that read inputs and classify, by the name of the file they open.

Python imports this at its start where this folder is in PYTHONPATH. ``x_SIGSEGV.jpg`` sends that
signal when it is opened to be classified, ``x_HANG.jpg`` never opens, ``x_ONCE.jpg`` ends the
process the first time, as does such a model; ``x_LATER4.keras`` kills the four processes that open it
after the first one. ``x_SCAN-SIGSEGV.jpg`` and the like do so when they are
scanned, and tables whenever they are opened: what a decoder or the system does to a process cannot
be had by a file.

When the class map of ``x_STOP.jpg`` has its name, before anybody is told, the run is sent SIGTERM.
"""

import os
import re
import signal
import sys
import time
from pathlib import Path

_FAULT = re.compile(r"_(SCAN-)?(SIG[A-Z]+|HANG|ONCE|LATER\d)\.(jpg|csv|keras)$")
_SCANS, _CLASSIFIES = "pixelcat.io.probe", "pixelcat.io.ahead"
"""Modules that open an image for the one and the other; hashes are taken by a thread of its own."""

_IS_CHILD = "pixelcat.processors.workers.child" in sys.orig_argv
_named: list[str] = []
"""Folders in which a class map has just got the name after which the run is to stop."""


def _opened(event: str, arguments: tuple[object, ...]) -> None:
    found = event == "open" and _FAULT.search(str(arguments[0]))
    if not found:
        return
    if found[3] == "jpg" and (_SCANS if found[1] else _CLASSIFIES) not in _modules():
        return
    if found[2] == "HANG":
        time.sleep(600)
    elif found[2] == "ONCE":
        mark = Path(f"{arguments[0]}.seen")
        if not mark.exists():
            mark.mkdir()
            os._exit(7)
    elif found[2].startswith("LATER"):
        _later(Path(f"{arguments[0]}.seen"), int(found[2][5:]))
    else:
        os.kill(os.getpid(), getattr(signal, found[2]))


def _later(mark: Path, times: int) -> None:
    """Kill this process if it is one of so many after the first one."""
    mark.mkdir(exist_ok=True)
    seen = {int(each.name) for each in mark.iterdir()}
    mark.joinpath(str(os.getpid())).mkdir(exist_ok=True)
    if seen and os.getpid() not in seen and len(seen) <= times:
        os.kill(os.getpid(), signal.SIGKILL)


def _published(event: str, arguments: tuple[object, ...]) -> None:
    """Stop the run between the renaming of a class map and the opening of its folder, to sync it."""
    if event == "os.rename" and str(arguments[1]).endswith("_STOP.tif"):
        _named.append(str(Path(str(arguments[1])).parent))
    elif event == "open" and str(arguments[0]) in _named:
        _named.clear()
        os.kill(os.getppid() if _IS_CHILD else os.getpid(), signal.SIGTERM)
        time.sleep(0.5)


def _modules() -> set[str]:
    """Return the modules whose functions run in this thread."""
    found, frame = set(), sys._getframe()
    while frame is not None:
        found.add(frame.f_globals["__name__"])
        frame = frame.f_back
    return found


if _IS_CHILD:
    sys.addaudithook(_opened)
sys.addaudithook(_published)
