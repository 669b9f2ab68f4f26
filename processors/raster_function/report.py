"""What is told of an exception in a raster function: what, and in which of its lines."""

import traceback
from pathlib import Path
from typing import Any


def told(error: BaseException, folder: Path) -> dict[str, Any]:
    """Return an exception in words.

    Args:
        error: What a raster function raised.
        folder: Where its code lies; the last line there is named.
    """
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return {
        "type": None if isinstance(error, ContractError) else type(error).__name__,
        "message": _message(error),
        "where": _where(error, folder),
        "missing": missing,
    }


class ContractError(Exception):
    """A raster function answered with something that is no answer."""


def _message(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return str(error.msg)  # the rest of its text is the place
    try:
        return str(error)
    except Exception:  # noqa: BLE001  foreign code
        return ""


def _where(error: BaseException, folder: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return _place(error.filename, error.lineno, folder) or ""
    frames = traceback.extract_tb(error.__traceback__)
    places = (_place(frame.filename, frame.lineno, folder) for frame in reversed(frames))
    return next((place for place in places if place), "")


def _place(file: str, line: int | None, folder: Path) -> str | None:
    path = Path(file)
    if not path.is_relative_to(folder):
        return None
    return f"{path.relative_to(folder).as_posix()}:{line}"
