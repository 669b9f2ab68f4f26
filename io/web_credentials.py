"""Credentials of web services: from the environment, in the variables that GDAL knows too."""

import base64
import csv
import os
import re
from pathlib import Path
from urllib.parse import quote, unquote_plus, urlsplit

from ..catalog.errors import UsageError

_SECRET_NAMES = re.compile(
    r"token|secret|passw|pwd|signature|credential|ticket|api_?key|subscription|^x-(amz|goog|ms)-"
    r"|^(key|sig|auth|user|pass|code|jwt|sv|se|sp|sid|session)$"
    r"|^(authkey|mapkey|map_key|access_?key|client_id)$",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_PLAIN = frozenset(["bearer", "basic", "token", "session"])
"""Words in credentials that are no secrets."""
_NO_SECRETS = frozenset(
    [
        *("accept", "accept-encoding", "accept-language", "cache-control", "dnt", "from", "origin"),
        *("pragma", "referer", "user-agent"),
    ]
)
"""Headers that hold none."""
_STAYING = ("authorization", "cookie")
"""Headers that GDAL takes to no other host."""
_SHORTEST = 3
"""Characters of a secret that is looked for in messages."""
_LONG = 8
"""Characters of a part of a cookie or the like that may be a secret by itself."""


def refuse_secrets(text: str) -> None:
    """Refuse an address that holds credentials: it would be in the catalog and in messages.

    Raises:
        UsageError: It does; they are not repeated.
    """
    found = _ADDRESS.search(text)
    url = text[found.start() :] if found else text
    try:
        host = urlsplit(url).hostname
    except ValueError:
        raise UsageError("an address is malformed; it is not repeated here") from None
    secret = secret_in(url)
    if secret is not None:
        raise UsageError(
            f"an address of {host} holds {secret}; leave it out and give it in the environment:"
            ' GDAL_HTTP_HEADERS="Authorization: Bearer ..." or GDAL_HTTP_USERPWD'
            " (docs/services.md)"
        )


def secret_in(url: str) -> str | None:
    """Return what of an address is secret, in words that do not repeat it; None for nothing.

    Raises:
        ValueError: It is malformed.
    """
    if "@" in urlsplit(url).netloc:
        return "a user name or password"
    pieces = re.split(r"[?&;#]", url)[1:]
    named = [unquote_plus(piece.partition("=")[0]) for piece in pieces if "=" in piece]
    secret = next((name for name in named if _SECRET_NAMES.search(name)), None)
    return None if secret is None else f"a secret ({secret}=...)"


def credentials() -> dict[str, str]:
    """Return the headers that carry credentials, as GDAL would send them."""
    named = dict(_from_text(os.environ.get("GDAL_HTTP_HEADERS", "")))
    file = os.environ.get("GDAL_HTTP_HEADER_FILE")
    if file:
        named.update(_from_file(Path(file)))
    if os.environ.get("GDAL_HTTP_COOKIE"):
        named.setdefault("Cookie", os.environ["GDAL_HTTP_COOKIE"])
    bearer, login = os.environ.get("GDAL_HTTP_BEARER"), os.environ.get("GDAL_HTTP_USERPWD")
    if bearer and os.environ.get("GDAL_HTTP_AUTH", "").upper() == "BEARER":
        named["Authorization"] = f"Bearer {bearer}"
    elif login and "Authorization" not in named:
        named["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    return named


def check_for_gdal() -> None:
    """Refuse headers that GDAL would take along to another host.

    Raises:
        UsageError: There are some, that may hold credentials.
    """
    names = sorted(name for name in credentials() if name.lower() not in (*_NO_SECRETS, *_STAYING))
    if names:
        raise UsageError(
            f"{', '.join(names)} in GDAL_HTTP_HEADERS cannot be kept from other hosts, should a raster"
            " file be redirected there: give Authorization instead, or download the file"
        )


def scrubbed(message: str) -> str:
    """Return a message in one line, without anything that the environment keeps secret."""
    line = " ".join(message.split())
    for secret in sorted(_secrets(), key=len, reverse=True):
        line = line.replace(secret, "***")
    return re.sub(r"(https?://)[^/\s@]*@", r"\1", line)


def _secrets() -> set[str]:
    login = os.environ.get("GDAL_HTTP_USERPWD", "")
    values = [
        *(value for name, value in credentials().items() if name.lower() not in _NO_SECRETS),
        os.environ.get("GDAL_HTTP_BEARER", ""),
        login,
        login.partition(":")[2],
    ]
    words = {word for value in values for word in (value, *value.split())}
    words |= {
        part for value in values for part in re.split(r"[\s;,=]+", value) if len(part) >= _LONG
    }
    words = {word for word in words if len(word) >= _SHORTEST and word.lower() not in _PLAIN}
    return words | {quote(word, safe="") for word in words} | {quote(word) for word in words}


def _from_file(path: Path) -> list[tuple[str, str]]:
    try:
        return _from_text(path.read_text(), by_line=True)
    except (OSError, UnicodeDecodeError):
        raise UsageError("GDAL_HTTP_HEADER_FILE names a file that cannot be read") from None


def _from_text(text: str, *, by_line: bool = False) -> list[tuple[str, str]]:
    """Split headers: one a line, or with commas between, quoted where a value has one."""
    if by_line or "\n" in text:
        pieces = text.splitlines()
    else:
        pieces = next(csv.reader([text], skipinitialspace=True), [])
    pairs = (piece.partition(":") for piece in pieces if ":" in piece)
    return [(name.strip(), value.strip()) for name, _, value in pairs]
