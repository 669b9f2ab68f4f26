"""Assets of STAC items in the web: their addresses, as far as a catalog may keep them."""

import re
from urllib.parse import quote, urljoin, urlsplit

from ...catalog.errors import ItemError
from ..addresses import is_address
from ..web_credentials import secret_in
from .web_raster import WebRaster

_PLAIN = "%/:=&?~#+!$,;'@()*[]"
"""Characters of an address that are not escaped, or are already."""


def asset_at(
    name: str, address: str, base: str, given: str
) -> tuple[str, WebRaster | None, str | None]:
    """Return the address of an asset without secrets, how to get at it, and why not.

    Args:
        name: Of the item, where there is no address of it.
        address: As the item has it.
        base: What it may be relative to.
        given: What the user gave; credentials are for its host. Empty where that was a file, so
            that nobody gets any.
    """
    try:
        url = joined(base, address)
        secret = secret_in(url)
    except (ItemError, ValueError) as error:
        return name, None, str(error)
    if secret:
        return (
            without_secrets(url),
            None,
            f"its address holds {secret}, which would be in the catalog",
        )
    return url, WebRaster(url, given), None


def joined(base: str, href: str) -> str:
    """Return an address that may be relative to another.

    Raises:
        ItemError: It is none of http or https.
    """
    try:
        url = quote(urljoin(base, href.strip()), safe=_PLAIN)
        host = urlsplit(url).hostname
    except ValueError:
        host, url = None, href
    if not host or not is_address(url):
        raise ItemError(f"{without_secrets(url)[:80]} is no address of http or https")
    return url


def without_secrets(url: str) -> str:
    """Return an address without what may be a password or token."""
    return re.sub(r"//[^/@]*@", "//", url.partition("?")[0])
