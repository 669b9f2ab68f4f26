"""Whether this process is pixelcat's own, or that of somebody who imports it.

Our programs say so before they import anything that asks. Those without a command line of their
own are started by ``python -m pixelcat.catalog.own_process MODULE ARGUMENTS``, which calls ``main()`` of a
module of ours: to import it is to import the packages above it, before it could say anything.
"""

import sys
from importlib import import_module

_is_own = False


def claim() -> None:
    """Say that this process is one of ours."""
    global _is_own
    _is_own = True


def is_own_process() -> bool:
    """Return whether this is the program ``pixelcat``, or a process that it has started."""
    return _is_own


def start() -> None:
    """Run a module of ours as the program of this process."""
    claim()
    import_module(sys.argv.pop(1)).main()


if __name__ == "__main__":
    import_module("pixelcat.catalog.own_process").start()  # the module that the others import
