"""The program: ``pixelcat`` and ``python -m pixelcat``."""

import os
import sys
from collections.abc import Callable

from .catalog.own_process import claim
from .cli_stop import ignore_signals, stopped, take_signals
from .io.native import safe_environment
from .processors.leave import quick_end
from .processors.streams import take


def main() -> None:
    """Take care of streams and signals before all that takes time to import, then run the rest."""
    claim()
    take_signals()
    take()
    os.environ.update(safe_environment())
    with quick_end():
        _command_line()()


def _command_line() -> Callable[[], None]:
    try:
        from .cli import main as run
    except BaseException:
        if stopped.signal is None:
            raise
        ignore_signals()
        sys.stderr.write("Error: stopped\n")
        sys.exit(stopped.code)
    return run


if __name__ == "__main__":
    main()
