"""The markers of a JPEG, and how many of them are taken: decoders have no limit of their own."""

import re
from collections.abc import Iterator

from ..catalog.errors import ItemError

MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""In whatever is coded: not a byte of data, not a restart."""
END, SCAN = 0xD9, 0xDA
BARE = (0x01, 0xD8)
"""Markers without a length: TEM, SOI."""
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers that begin a frame."""
MOST_SEGMENTS = 10_000
"""Photos have dozens; one with tens of megabytes of profiles and depth has hundreds."""
MOST_SCANS = 100
"""Encoders write up to 20. For each, whatever its size, a decoder goes through all pixels."""


def segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the kind of each segment of a JPEG up to its end, and where its length stands.

    Raises:
        ItemError: There are too many.
    """
    at = 2
    found = 0
    while (marker := MARKER.search(data, at)) and marker[1][0] != END:
        at = marker.end()
        found += 1
        check_count(found, MOST_SEGMENTS, "segments")
        if marker[1][0] not in BARE:
            yield marker[1][0], at
            at += int.from_bytes(data[at : at + 2])


def check_count(found: int, most: int, what: str) -> None:
    """Refuse a JPEG that has more of something than any photo.

    Raises:
        ItemError: It has.
    """
    if found > most:
        raise ItemError(
            f"JPEG has more than {most:,} {what}, which no photo needs; save it anew with an editor"
        )
