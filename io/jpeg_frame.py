"""The frame of a JPEG: how its pixels are coded, and how to have it say that there are more."""

from typing import NamedTuple, Self

from .jpeg_markers import FRAMES, SCAN, segments

_BASELINE = (0xC0, 0xC1)
_BLOCK = 8
_MOST_ROWS = 65_500
"""Of libjpeg."""


class Frame(NamedTuple):
    """The frame of a JPEG whose pixels come in one scan from top to bottom."""

    at: int
    """Where the height stands."""
    width: int
    height: int
    across: int
    """Largest horizontal sampling factor of its bands: a unit has 8 times as many columns."""
    down: int
    """The vertical one."""

    @classmethod
    def of(cls, data: bytes) -> Self | None:
        """Return the frame; None for a JPEG in several scans, or what is none.

        Raises:
            ItemError: It has too many segments before its pixels.
        """
        found = None
        for kind, at in segments(data):
            body = data[at + 2 : at + int.from_bytes(data[at : at + 2])]
            if kind == SCAN:
                return found[0] if found and body[:1] == found[1] else None
            if kind in FRAMES:
                found = cls._read(body, at + 2) if kind in _BASELINE else None
        return None

    @classmethod
    def _read(cls, body: bytes, at: int) -> tuple[Self, bytes] | None:
        """Return a frame and how many bands it has, None where nothing is to be made of it."""
        factors = body[7::3]
        down, across = (max((f >> s & 15 for f in factors), default=0) for s in (0, 4))
        height, width = (int.from_bytes(body[i : i + 2]) for i in (1, 3))
        is_odd = len(factors) == 1 and (down, across) != (1, 1)
        if is_odd or not (down and across and height and width):
            return None
        return cls(at + 1, width, height, across, down), body[5:6]

    @property
    def rows_of_units(self) -> int:
        """Rows of units that are coded."""
        return -(-self.height // (_BLOCK * self.down))

    def taller(self, units: int) -> int | None:
        """Return the height with further rows of units for so many, None where it is too large."""
        per_row = -(-self.width // (_BLOCK * self.across))
        height = (self.rows_of_units - (-units // per_row)) * _BLOCK * self.down
        return height if height <= _MOST_ROWS else None

    def with_height(self, data: bytes, height: int) -> bytes:
        """Return the JPEG with another height in its frame."""
        return data[: self.at] + height.to_bytes(2) + data[self.at + 2 :]
