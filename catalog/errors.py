"""The errors pixelcat raises on purpose, and the exit code of each.

::

    PixelcatError                    70   something we did not foresee
    ├── UsageError (ValueError)       2   the call itself is wrong
    ├── ModelError (ValueError)       4   the model is refused
    ├── SourceError (OSError)         5   an input is not there or not readable
    ├── ProcessError                 71   the system has no room for processes of ours, or ends them
    ├── OutputError (OSError)        74   the disk refused a result
    ├── CatalogError                 74   the catalog file cannot be used
    │   └── CatalogBusyError         75   another run holds the catalog
    └── ItemError                     -   one image is unusable: becomes a row, never an exit
        ├── UnsupportedError          -   its format needs something installed
        └── NotAskedError             -   it is not what was asked for: skipped, not failed

Every message is one line that says what is wrong, with which item, and what to do.
"""

import re

_MEMORY_NAME = r"(/vsimem/)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}[/\w.-]*(, )?"


class PixelcatError(Exception):
    """Base of every error that pixelcat raises on purpose."""

    exit_code = 70


class UsageError(PixelcatError, ValueError):
    """The call itself is wrong: an unknown argument, a bad value, a clash of options."""

    exit_code = 2


class ModelError(PixelcatError, ValueError):
    """The model or its definition cannot be used."""

    exit_code = 4


class SourceError(PixelcatError, OSError):
    """An input does not exist, cannot be read, or holds nothing to classify."""

    exit_code = 5


class ProcessError(PixelcatError):
    """The system has no room for a process that reads or classifies, or keeps ending it."""

    exit_code = 71


class OutputError(PixelcatError, OSError):
    """A result could not be written, or did not read back as written."""

    exit_code = 74


class CatalogError(PixelcatError):
    """The catalog file is not ours, is damaged, or was made by a newer version."""

    exit_code = 74


class CatalogBusyError(CatalogError):
    """Another process holds the catalog."""

    exit_code = 75


class ItemError(PixelcatError):
    """One image cannot be used. Recorded as the reason of its row; never stops a run."""


class GoneError(ItemError):
    """An image is not there: a server says that it has no such thing."""


class UnsupportedError(ItemError):
    """One image is of a format that needs something installed; says what."""


class NotAskedError(ItemError):
    """One image is not what was asked for, such as one outside the extent; says why."""


def first_line(error: BaseException) -> str:
    """Return the first line of what a library's error says, or its type where it is silent.

    rasterio says "See previous exception" where GDAL's own words are in the cause, and GDAL
    names attachments in memory by a random name, which is left out.
    """
    if "previous exception" in str(error) and error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(_MEMORY_NAME, "", lines[0])[:300] if lines else type(error).__name__
