"""Signals that stop a run, put off until what is finished is recorded."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

WAIT_S = 2.0
"""How long a run may take to end by itself once it is to stop."""


class PutOff:
    """Ctrl-C and the signal to terminate; a context manager that gives what is set by the first.

    What that signal would have done is done when the block has ended, or within it after two
    seconds, or as soon as another one comes. Signals that nobody handles, or that are ignored, are
    left alone, and so is everything in a thread that hears none.
    """

    def __init__(self) -> None:
        """Handle nothing yet."""
        self._before: dict[int, Any] = {}
        self._first: int | None = None
        self._asked = threading.Event()
        self._is_over = threading.Event()
        self._watch = threading.Thread(target=self._lose_patience, daemon=True)

    def __enter__(self) -> threading.Event:
        """Return what is set once the run is to stop."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                if callable(handler):
                    self._before[number] = handler
                    signal.signal(number, self._note)
        self._watch.start()
        return self._asked

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do what the signal would have done, unless an error says more."""
        self._is_over.set()
        self._asked.set()
        self._watch.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is None and self._first is not None:
            self._before[self._first](self._first, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._is_over.is_set():  # it is done at once
            self._first = self._first or number
        elif self._first is None:
            self._first = number
            self._asked.set()
        else:
            self._before[number](number, frame)

    def _lose_patience(self) -> None:
        self._asked.wait()
        if not self._is_over.wait(WAIT_S) and self._first is not None:
            signal.pthread_kill(threading.main_thread().ident or 0, self._first)
