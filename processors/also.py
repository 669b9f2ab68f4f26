"""What may be asked for beside the classes, by name."""

from collections.abc import Sequence

from ..catalog.errors import UsageError

KINDS = ("confidence", "probabilities", "entropy")
TYPES = ("uint8", "float32")
"""Of their values; see :mod:`pixelcat.io.extra_out`."""


def checked_kinds(asked: str | Sequence[str], dtype: str) -> tuple[str, ...]:
    """Return what is asked for, each once, in our order.

    Args:
        asked: Names, or names with commas.
        dtype: Of ``TYPES``.

    Raises:
        UsageError: There is no such raster, or no such type.
    """
    parts = asked.split(",") if isinstance(asked, str) else asked
    kinds = [part.strip().lower() for part in parts if part.strip()]
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise UsageError(f"--also {unknown[0]}: there is no such raster; known are {listed(KINDS)}")
    if dtype not in TYPES:
        raise UsageError(f"also_type {dtype}: expected {' or '.join(TYPES)}")
    return tuple(kind for kind in KINDS if kind in kinds)


def listed(words: Sequence[str], last: str = "and") -> str:
    """Return words as a sentence has them."""
    *first, final = words
    return f"{', '.join(first)} {last} {final}" if first else final
