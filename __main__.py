"""The program: ``pixelcat`` and ``python -m pixelcat``."""

import sys

from .cli_stop import ignore_signals, stopped, take_signals


def main() -> None:
    """Take care of signals before all that takes time to import, then run the command line."""
    take_signals()
    try:
        from .cli import main as run
    except BaseException:
        if stopped.signal is None:
            raise
        ignore_signals()
        sys.stderr.write("Error: stopped\n")
        sys.exit(stopped.code)
    run()


if __name__ == "__main__":
    main()
