"""Inputs that are addresses and no paths, by how they are written."""

import re

PREFIXES = ("wms", "wmts", "xyz", "tms")
"""What may stand before an address, with a colon, to say what is there."""
_HTTP = re.compile(r"https?://", re.IGNORECASE)


def is_service(text: str) -> bool:
    """Return whether an input is an address that can be read, and no path."""
    return is_address(text) or has_prefix(text, *PREFIXES)


def has_prefix(text: str, *prefixes: str) -> bool:
    """Return whether an input is an address with one of these before it."""
    kind, _, rest = text.partition(":")
    return kind in prefixes and bool(_HTTP.match(rest))


def is_address(text: str) -> bool:
    """Return whether an input is an address of http or https."""
    return bool(_HTTP.match(text))
