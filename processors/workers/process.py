"""A process that classifies images, seen from outside: start it, talk to it, end it."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ...catalog.errors import ProcessError
from ...io.native import safe_environment

_CHILD = ("pixelcat.catalog.own_process", "pixelcat.processors.workers.child")
_GOODBYE_S = 3.0
"""How long a process may take to end by itself."""


class LostError(Exception):
    """A process is gone; the message says how it ended."""

    signal: int | None = None
    """What it was killed by, unless it was us."""
    is_hung: bool = False
    """Whether we did, as it did not answer."""


class Process:
    """A process of its own, idle until it is told something."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            ProcessError: The system has no room for it.
        """
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        try:
            self._popen = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [sys.executable, "-P", "-m", *_CHILD, str(theirs.fileno()), str(lifeline)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), lifeline),
                env=safe_environment(),
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        except OSError as error:
            ours.close()
            os.close(self._lifeline)
            raise ProcessError(
                f"no process can be started: {error.strerror}; end others or free memory, then give"
                " the same command again"
            ) from error
        finally:
            theirs.close()
            os.close(lifeline)
        self._reason: str | None = None
        """Why we ended it."""
        self.connection = Connection(ours.detach())
        """For waiting; what is said goes through :meth:`say` and :meth:`hear`."""

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._popen.pid

    def say(self, word: str, *given: Any) -> None:
        """Ask for something; that a process is gone is noticed by listening to it."""
        with suppress(OSError):
            self.connection.send((word, given))

    def hear(self) -> tuple[str, Any]:
        """Wait for what it says.

        Raises:
            LostError: The process is gone.
        """
        try:
            word, given = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        return word, given

    def hurry(self) -> None:
        """Have its run end with the class map that it writes."""
        self._popen.send_signal(signal.SIGTERM)

    def stop(self, reason: str) -> None:
        """Kill it because it does not answer; who listens to it is told the reason."""
        self._reason = reason
        self._kill()

    def kill(self) -> None:
        """End it at once, with whatever it has started."""
        self._kill()
        self._popen.wait()
        with suppress(OSError):
            self.connection.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def close(self) -> None:
        """End it politely, so that it can let go of what it has."""
        with suppress(OSError):
            self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_GOODBYE_S)
        self.kill()

    def _kill(self) -> None:
        if self._popen.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _lost(self) -> LostError:
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_GOODBYE_S)
        code = self._popen.poll()
        lost = LostError(self._reason or _ending(code))
        lost.is_hung = self._reason is not None
        if code is not None and code < 0 and not lost.is_hung:
            lost.signal = -code
        return lost


def hung(patience: float) -> str:
    """Say of a process that it was silent for so many seconds."""
    return f"gave no sign of life for {patience:g} s; --item-timeout allows more"


def _ending(code: int | None) -> str:
    if code is None:
        return "closed its connection"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
