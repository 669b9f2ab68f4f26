"""Pieces of an image that GDAL could not fetch or use: tried again, and then told why.

What GDAL says of an answer that is no image is "Read failed"; such a piece is asked for once more.
"""

import http.client
import re
from collections.abc import Callable
from typing import TypeVar

from ..catalog.errors import ItemError
from .web import HOW_TO_GIVE, RETRIED, ask_image, retries, setting, shown, wait
from .web_credentials import scrubbed

Found = TypeVar("Found")

_PIECE = re.compile(r"ReadBlockFromFile \((https?://.+)\) failed")
_STATUS = re.compile(r"HTTP (?:status|response) code: (\d+)(?:, error: (.*?)\.?$)?", re.MULTILINE)
"""How GDAL names a piece that it has and cannot use, and one that it has not."""


def patiently(read: Callable[[], Found]) -> Found:
    """Read, again after a while where a service is busy: GDAL does not, of several pieces.

    Raises:
        ItemError: What the last try gave.
    """
    for attempt in range(retries()):
        try:
            return read()
        except ItemError as error:
            status = _STATUS.search(_all_words(error))
            if status is None or int(status[1]) not in RETRIED:
                raise
        wait(attempt)
    return read()


def explained(error: ItemError, url: str, size: tuple[int, int] | None) -> ItemError:
    """Return why GDAL could not use a piece of a service, found out by asking once more.

    Args:
        error: What :class:`.raster.Raster` raised.
        url: Of the service, for the message.
        size: Width and height of a piece, where all are so large.
    """
    said = _all_words(error)
    status = _STATUS.search(said)
    if status is not None:
        return ItemError(scrubbed(f"{shown(url)} {_status(int(status[1]), status[2] or '')}"))
    piece = _PIECE.search(said)
    if piece is None:
        return ItemError(scrubbed(str(error)))
    try:
        ask_image(piece[1], size)
    except ItemError as found:
        return ItemError(f"{shown(piece[1])} {found}")
    return ItemError(f"{shown(piece[1])} failed at first and answers now; run the command again")


def _all_words(error: BaseException | None) -> str:
    words = []
    while error is not None:
        words.append(str(error))
        error = error.__cause__
    return "\n".join(words)


def _status(code: int, words: str) -> str:
    """Say what GDAL was answered where it was not sent a piece."""
    if "timed out" in words or "timeout" in words.lower():
        return f"did not answer within {setting('GDAL_HTTP_TIMEOUT')} s (GDAL_HTTP_TIMEOUT)"
    if code == 0:
        return f"cannot be reached: {words}"
    if code in (401, 403):
        return f"answered with HTTP {code}; {HOW_TO_GIVE}"
    reason = http.client.responses.get(code, "")
    return f"answered with HTTP {code} {reason} to a piece of the image".replace("  ", " ")
