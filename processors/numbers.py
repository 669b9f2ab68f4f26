"""Numbers of definitions and arguments, which come as numbers or as text."""

import math
import re

from ..catalog.errors import UsageError

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def whole_number(value: object) -> int:
    """Return a number without fraction, given as number or as text.

    Raises:
        ValueError: It is none.
    """
    number = finite_number(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(value) if isinstance(value, int | str) and "." not in str(value) else int(number)


def finite_number(value: object) -> float:
    """Return a number that is neither infinite nor NaN, given as number or as text.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(value)  # noqa: TRY004  one kind of error for whatever JSON holds
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(value) from None
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def parse_bytes(text: str) -> int:
    """Return a number of bytes: ``4G``, ``1500M``, ``2.5 GB``.

    Raises:
        UsageError: No such number.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?)i?b?\s*", text.lower())
    if not found:
        raise UsageError(f"--max-memory {text}: expected a size like 4G or 1500M")
    size = int(float(found[1]) * _UNITS[found[2]])
    if size < 1 << 20:
        raise UsageError(f"--max-memory {text}: less than 1M; expected a size like 4G or 1500M")
    return size
