"""The database of sqlite-utils, loaded without pandas in processes that are pixelcat's own.

sqlite-utils loads pandas where there is one, only to name its types; that takes half a second, as
much as all else that a process needs which holds a catalog. In a notebook others may want it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .own_process import is_own_process

_PANDAS = "pandas"


@contextmanager
def _without_pandas() -> Iterator[None]:
    """Let imports go on as if there were no pandas; afterwards it can be imported."""
    if _PANDAS in sys.modules or not is_own_process():
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
