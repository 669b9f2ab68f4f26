"""Processes that do not outlive the one that started them."""

import fcntl
import os
import signal
import threading


def hang_on(lifeline: int) -> None:
    """Have this process and its group killed when the other end of a pipe closes.

    A thread waits for that. Code that holds the interpreter can keep it from running, so that on
    Linux the kernel is asked to send the signal as well.

    Args:
        lifeline: The end for reading; the other is held by who started this process.
    """
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    threading.Thread(target=_wait_for_the_end, args=(lifeline,), daemon=True).start()


def _wait_for_the_end(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(os.getpgid(0), signal.SIGKILL)
