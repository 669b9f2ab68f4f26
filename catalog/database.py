"""The database of sqlite-utils, loaded without pandas in processes that are pixelcat's own.

sqlite-utils loads pandas where there is one, only to name its types; that takes half a second, as
much as all else that a process needs which holds a catalog. In a notebook others may want it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

_PANDAS = "pandas"


def _is_own_process() -> bool:
    """Return whether this is the program ``pixelcat``, or ``python -m pixelcat...``."""
    modules = [after for word, after in pairwise(sys.orig_argv) if word == "-m"]
    own = any(name.partition(".")[0] == "pixelcat" for name in modules)
    return own or Path(sys.argv[0]).stem == "pixelcat"


@contextmanager
def _without_pandas() -> Iterator[None]:
    """Let imports go on as if there were no pandas; afterwards it can be imported."""
    if _PANDAS in sys.modules or not _is_own_process():
        yield
        return
    sys.modules[_PANDAS] = None  # type: ignore[assignment]  # so Python marks what is not there
    try:
        yield
    finally:
        del sys.modules[_PANDAS]


with _without_pandas():
    from sqlite_utils import Database, Migrations

__all__ = ["Database", "Migrations"]
