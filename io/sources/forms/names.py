"""What the cell of a table says about photos: names, ids and links."""

import json
import re
import unicodedata
from urllib.parse import parse_qsl, unquote, urlsplit

from ...probe import IMAGE_SUFFIXES

_SEPARATORS = re.compile(r"[,;|\n]")
_AUDIT_LOG = re.compile(r"(.* - )?audit\.csv", re.IGNORECASE)
_ID = re.compile(r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)


def fold(name: str) -> str:
    """Return a name so that spellings of it compare equal.

    Composed and decomposed letters, all kinds of spaces (U+202F of Apple, U+00A0), and case.
    """
    return unicodedata.normalize("NFKC", name).strip().casefold()


def is_image_name(token: str) -> bool:
    """Return whether a token looks like the name of an image."""
    return f".{token.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES and "\n" not in token


def is_id(token: str) -> bool:
    """Return whether a token is a UUID."""
    return _ID.fullmatch(token) is not None


def is_audit_log(name: str) -> bool:
    """Return whether a file is what ODK writes of how a form was filled in."""
    return _AUDIT_LOG.fullmatch(name) is not None


def tokens(cell: str) -> list[str]:
    """Return the parts of a cell that may each name a file: a list, however it is written."""
    cell = cell.strip()
    if cell.startswith("[") and cell.endswith("]"):
        try:
            values = json.loads(cell)
        except ValueError:
            values = None
        if isinstance(values, list):
            return [str(value).strip() for value in values if value]
    return [part.strip() for part in _SEPARATORS.split(cell) if part.strip()]


def file_name(token: str) -> str:
    """Return what a token names: a file name, an id, or the file that a link leads to.

    Nothing but the last part is kept, so a path of somebody else's device does no harm.
    """
    if "://" in token:
        return _of_link(token)
    return _last_part(token.replace("\\", "/"))


def _of_link(link: str) -> str:
    try:
        parts = urlsplit(link)
    except ValueError:
        return link
    for _, value in parse_qsl(parts.query):
        name = _last_part(value)
        if is_image_name(name):
            return name
    return _last_part(unquote(parts.path))


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
