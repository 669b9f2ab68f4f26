"""The process of a raster function, seen from outside: start it, ask it, end it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .messages import Arrays, Message, receive, send
from .relay import LastLines, Printed, Reader, plain

_CHILD = "pixelcat.processors.raster_function.child"
_GOODBYE_S = 3.0
"""How long a process may take to end by itself."""
_POLL_S = 0.02
_SETTINGS = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "utf-8:replace",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
_DEFAULTS = {"TF_CPP_MIN_LOG_LEVEL": "3"}
_DURING = {"load": "while it was loaded"}
"""Where something went wrong, for what is no method of a raster function."""


class FunctionError(Exception):
    """A raster function did not answer a call; the message says what it did instead."""

    missing: str | None = None
    """The module that it could not import."""


class Process:
    """A process that runs one raster function."""

    def __init__(self, printed: Printed) -> None:
        """Start it; it has no code of the model yet.

        Raises:
            FunctionError: The system has no room for it.
        """
        self._errors = LastLines()
        self._busy = threading.Lock()
        self._ending = threading.Lock()
        self._stopped = False
        self._channel, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        out, their_out = os.pipe()
        err, their_err = os.pipe()
        try:
            self._popen = _start((theirs.fileno(), lifeline), their_out, their_err)
        except OSError as error:
            self._channel.close()
            for descriptor in (self._lifeline, out, err):
                os.close(descriptor)
            raise _gone(f"cannot be started: {error.strerror}") from error
        finally:
            theirs.close()
            for descriptor in (lifeline, their_out, their_err):
                os.close(descriptor)
        self._readers = (Reader(out, printed.show), Reader(err, self._errors.keep))

    @property
    def pid(self) -> int:
        """Number of the process, and of its process group."""
        return self._popen.pid

    @property
    def has_ended(self) -> bool:
        """Whether it can be asked nothing any more."""
        return self._popen.returncode is not None

    def call(
        self,
        method: str,
        facts: Mapping[str, Any],
        arrays: Arrays | None = None,
        *,
        seconds: float,
        largest: int = 0,
    ) -> Message:
        """Ask for something and wait for the answer.

        Args:
            method: What to do, see :mod:`~.child`.
            facts: What it needs to know.
            arrays: Pixels.
            seconds: How long it may take; the process is killed beyond that.
            largest: Most bytes of an array of the answer.

        Raises:
            FunctionError: The function raised, or its process died or hung.
        """
        with self._busy:
            if self.has_ended:
                raise _gone("was stopped")
            deadline = time.monotonic() + seconds
            try:
                self._channel.settimeout(seconds)
                send(self._channel, {"method": method, **facts}, arrays)
                answer = receive(self._channel, deadline=deadline, largest=largest)
            except TimeoutError:
                self._end()
                raise _gone(
                    f"did not answer within {seconds:g} s {_during(method)};"
                    " --arg timeout=SECONDS allows more"
                ) from None
            except OSError:
                answer = None
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                self._end()
                raise _gone(f"sent no answer {_during(method)} but {error}") from None
            except BaseException:
                self._end()
                raise
            if answer is None:
                raise _gone(f"{self._death()} {_during(method)}{self._last_words()}")
        if "error" in answer.header:
            raise _failure(method, answer.header["error"])
        return answer

    def stop(self) -> None:
        """End the process: politely where it waits for us, else at once."""
        if self._stopped:
            return
        self._stopped = True
        if self._busy.acquire(blocking=False):
            try:
                self._say_goodbye()
                self._end()
            finally:
                self._busy.release()
        else:
            with self._ending:
                self._kill()  # who waits for its answer now gets an error
        for reader in self._readers:
            reader.join(_GOODBYE_S)

    def _say_goodbye(self) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            self._channel.shutdown(socket.SHUT_WR)
            receive(self._channel, deadline=time.monotonic() + _GOODBYE_S)

    def _death(self) -> str:
        """Return how the process ended; it may take a moment until that is known."""
        until = time.monotonic() + _GOODBYE_S
        flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
        while self._popen.returncode is None and time.monotonic() < until:
            if os.waitid(os.P_PID, self.pid, flags) is not None:
                break
            time.sleep(_POLL_S)
        gone = time.monotonic() < until
        self._end()
        code = self._popen.returncode
        if self._stopped or not gone:
            return "was stopped" if self._stopped else "closed its connection"
        if code >= 0:
            return f"ended its process (exit code {code})"
        return f"was killed by {signal.Signals(-code).name}"

    def _last_words(self) -> str:
        self._readers[1].join(_GOODBYE_S)
        return f": {self._errors.last}" if self._errors.last and not self._stopped else ""

    def _end(self) -> None:
        """Kill whatever is left, and let go of what it had."""
        with self._ending:
            self._kill()
            if self._lifeline >= 0:
                self._popen.wait()
                self._channel.close()
                os.close(self._lifeline)
                self._lifeline = -1

    def _kill(self) -> None:
        if self._popen.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


def _start(inherited: tuple[int, ...], out: int, err: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  our own interpreter and module
        [sys.executable, "-P", "-B", "-u", "-m", _CHILD, *map(str, inherited)],
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        pass_fds=inherited,
        env={**_DEFAULTS, **os.environ, **_SETTINGS},
        start_new_session=True,  # Ctrl-C is ours to handle; and its group holds its children
    )


def _during(method: str) -> str:
    return _DURING.get(method, f"in {method}")


def _gone(message: str) -> FunctionError:
    return FunctionError(f"the raster function {message}")


def _failure(method: str, told: Mapping[str, Any]) -> FunctionError:
    where = f" ({plain(str(told['where']))})" if told.get("where") else ""
    text = plain(" ".join(str(told.get("message", "")).split()))[:300]
    kind = plain(str(told.get("type") or ""))
    what = ": ".join(part for part in (kind, text) if part)
    error = FunctionError(f"the raster function failed {_during(method)}: {what}{where}")
    missing = told.get("missing")
    error.missing = plain(str(missing)) if missing else None
    return error
