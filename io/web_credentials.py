"""Credentials of web services: from the environment, in the variables that GDAL knows too."""

import base64
import csv
import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ..catalog.errors import UsageError

_SECRET_NAMES = re.compile(
    r"token|secret|passw|pwd|signature|credential|api_?key|subscription|^(key|sig|auth|user|pass)$"
    r"|^(authkey|mapkey|map_key|access_key|client_id)$",
    re.IGNORECASE,
)
_HARMLESS = frozenset(
    [
        *("authorization", "cookie"),  # which stay with their host
        *("accept", "accept-encoding", "accept-language", "cache-control", "dnt", "from", "origin"),
        *("pragma", "referer", "user-agent"),
    ]
)
_SHORTEST = 4
"""Characters of a secret that is looked for in messages."""


def refuse_secrets(text: str) -> None:
    """Refuse an address that holds credentials: it would be in the catalog and in messages.

    Raises:
        UsageError: It does; they are not repeated.
    """
    url = text[text.find("http") :] if "http" in text else text
    parts = urlsplit(url)
    named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    secret = next((name for name in named if _SECRET_NAMES.search(name)), None)
    if "@" not in parts.netloc and secret is None:
        return
    what = "a user name or password" if secret is None else f"a secret ({secret}=...)"
    raise UsageError(
        f"an address of {parts.hostname} holds {what}; leave it out and give it in the environment:"
        ' GDAL_HTTP_HEADERS="Authorization: Bearer ..." or GDAL_HTTP_USERPWD (docs/services.md)'
    )


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
    names = sorted(name for name in credentials() if name.lower() not in _HARMLESS)
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
        *credentials().values(),
        os.environ.get("GDAL_HTTP_BEARER", ""),
        os.environ.get("GDAL_HTTP_COOKIE", ""),
        login,
        login.partition(":")[2],
    ]
    parts = {part for value in values for part in (value, *value.split()) if value}
    return {part for part in parts if len(part) >= _SHORTEST and part not in ("Bearer", "Basic")}


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
