"""Values that a service tells: numbers that are numbers, whatever it sends for them."""

import math
from collections.abc import Mapping
from typing import Any

from ..catalog.errors import ItemError

Ring = tuple[tuple[float, float], ...]
_RING = 4
"""Points of a triangle, the last of which is the first again."""
_PLANE = 2
_LARGEST = 1e15
"""No coordinate and no size of a pixel is larger."""
_MOST_DIGITS = 30
_MANY_BITS = 100
_SHOWN = 40


def number(value: object, what: str, *, above: float = -_LARGEST) -> float:
    """Return a finite number.

    Args:
        value: What the service sent.
        what: How it is called, for the message.
        above: It is larger.

    Raises:
        ItemError: It is none, or out of range.
    """
    is_text = isinstance(value, str) and len(value) <= _MOST_DIGITS
    try:
        found = float(value) if is_text or isinstance(value, int | float) else math.nan  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found) or not above < found < _LARGEST:
        raise ItemError(f"says {_short(value)} for {what}, which cannot be")
    return found


def whole(value: object, what: str, *, least: int = 1, most: int = 1 << 31) -> int:
    """Return a whole number.

    Raises:
        ItemError: It is none, or out of range.
    """
    found = number(value, what)
    if not found.is_integer() or not least <= found <= most:
        raise ItemError(f"says {_short(value)} for {what}, which cannot be")
    return int(found)


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """Return a JSON object.

    Raises:
        ItemError: It is none.
    """
    if not isinstance(value, dict):
        raise ItemError(f"says {_short(value)} for {what}, which cannot be")
    return value


def listed(value: object, what: str) -> list[Any]:
    """Return a JSON array.

    Raises:
        ItemError: It is none.
    """
    if not isinstance(value, list):
        raise ItemError(f"says {_short(value)} for {what}, which cannot be")
    return value


def rings(value: object, what: str) -> tuple[Ring, ...]:
    """Return the rings of a polygon, of four points each at least.

    Raises:
        ItemError: They are none.
    """
    found = []
    for ring in listed(value, what):
        points = [listed(point, what) for point in listed(ring, what)]
        if len(points) < _RING or any(len(point) < _PLANE for point in points):
            raise ItemError(f"has {what} that is no polygon")
        found.append(tuple((number(p[0], what), number(p[1], what)) for p in points))
    return tuple(found)


def _short(value: object) -> str:
    """Return a value for a message; integers of thousands of digits have no text."""
    if isinstance(value, dict | list):
        return "a list or object"
    if isinstance(value, int) and value.bit_length() > _MANY_BITS:
        return "a huge number"
    return "nothing" if value is None else repr(value)[:_SHOWN]
