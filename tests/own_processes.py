"""Processes of pixelcat, and those that it starts to read and classify."""

from collections.abc import Callable
from contextlib import suppress
from os import sysconf
from pathlib import Path
from time import monotonic, sleep

INTERRUPTIBLE = (
    "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " runpy.run_module('pixelcat', run_name='__main__')"
)
"""For ``python -c``: processes started in the background of a shell ignore Ctrl-C."""


def children(parent: int) -> list[int]:
    """Return the numbers of the processes that read and classify for another one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            above = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            if above == parent and b"workers.child" in folder.joinpath("cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def is_alive(process: int) -> bool:
    """Whether a process runs; one that has ended may still be listed."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


def processor_time_s(process: int | str) -> float:
    """Return how long a process has computed."""
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / sysconf("SC_CLK_TCK")


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Wait for something, and say whether it came in time."""
    until = monotonic() + seconds
    while not (held := holds()) and monotonic() < until:
        sleep(0.1)
    return held
