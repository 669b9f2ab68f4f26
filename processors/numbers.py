"""Numbers of definitions and arguments, which come as numbers or as text."""

import math


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
