"""Signals that stop a command. Light, so that it can be there before anything else is imported."""

import signal
from dataclasses import dataclass


@dataclass
class _Stopped:
    """How a command ends that was stopped."""

    signal: int | None = None
    """Which came, if one did."""

    @property
    def code(self) -> int:
        """The exit code, as shells have it."""
        return 128 + (self.signal or signal.SIGINT)

    def check(self) -> None:
        """Stop here where a signal came and what it raised was lost.

        Python drops what is raised while it takes an object away, as TensorFlow's are.

        Raises:
            KeyboardInterrupt: One came.
        """
        if self.signal is not None:
            raise KeyboardInterrupt


stopped = _Stopped()
"""Of this process."""


def take_signals() -> None:
    """Let SIGTERM stop a command as Ctrl-C does, and note which of them came."""
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a shell has it ignored
        signal.signal(signal.SIGINT, _stop)


def ignore_signals() -> None:
    """Let a command that ends say how, whatever else comes."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, _: object) -> None:
    stopped.signal = number
    raise KeyboardInterrupt
