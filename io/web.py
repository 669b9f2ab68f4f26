"""Asking a web service: what went wrong is told in one line, and no secret is ever in it.

GDAL fetches parts of raster files; everything else is asked for here. Both are as polite and send
the same credentials, which come from the environment alone.
"""

import http.client
import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from ..catalog.errors import GoneError, ItemError
from .safe_xml import parse_xml
from .web_credentials import credentials, scrubbed
from .web_errors import Wanted, problem_in

RETRIED = (429, 500, 502, 503, 504)
"""Status of a server that is busy or ill for a while."""
_GONE = (404, 410)
CONNECTIONS = 4
"""Requests under way at a time."""
_TURNS = threading.BoundedSemaphore(CONNECTIONS)
_UNPRINTED = re.compile(r"[\x00-\x20\x7f]")
_MOST = 64 << 20
"""Bytes of an answer that are read."""
HOW_TO_GIVE = "give credentials as docs/services.md says"

_POLITE = {
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
}
"""Retries (each after twice the time, in seconds) and time limits; a user's environment goes
over them."""


class Answer(NamedTuple):
    """What a service sent."""

    content_type: str
    data: bytes
    headers: dict[str, str]
    """By lower-case name."""


def gdal_options() -> dict[str, str]:
    """Return how GDAL is to fetch: politely, looking for no companions, keeping nothing."""
    return {
        **{name: setting(name) for name in _POLITE},
        "GDAL_HTTP_USERAGENT": user_agent(),
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": "NO",
    }


def user_agent() -> str:
    """Return what we call ourselves, or what the user's environment says."""
    from .. import __version__

    return os.environ.get("GDAL_HTTP_USERAGENT", f"pixelcat/{__version__}")


def ask(url: str, *, first: int | None = None, start: int = 0) -> Answer:
    """Ask a service, again after a while where it is busy.

    Args:
        url: Of http or https.
        first: Only so many bytes; None for all.
        start: Byte that they begin with, where the server can do that.

    Raises:
        GoneError: It has no such thing.
        ItemError: It cannot be reached, or answers with an error.
    """
    check_address(url)
    request = urllib.request.Request(url, headers=_headers(first, start))  # noqa: S310
    kind: type[ItemError] = ItemError
    for attempt in range(retries() + 1):
        if attempt:
            wait(attempt - 1)
        try:
            seconds = float(setting("GDAL_HTTP_TIMEOUT"))
            with _TURNS, _OPENER.open(request, timeout=seconds) as response:
                return _read(response, first)
        except urllib.error.HTTPError as error:
            failure = _refusal(error)
            kind = GoneError if error.code in _GONE else ItemError
            if error.code not in RETRIED:
                break
        except (TimeoutError, OSError, http.client.HTTPException, ValueError) as error:
            failure = _no_answer(error)
            if not isinstance(error, TimeoutError | ConnectionError):
                break
    raise kind(scrubbed(failure))


def ask_json(url: str) -> dict[str, Any]:
    """Ask a service for JSON.

    Raises:
        ItemError: It cannot be reached, says that something is wrong, or sends something else.
    """
    data = _wanted(url, "json")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ItemError("answered with JSON that is cut off or damaged") from error
    if not isinstance(said, dict):
        raise ItemError("answered with JSON of another kind than that of a service")
    return said


def ask_xml(url: str) -> Element:
    """Ask a service for XML.

    Raises:
        ItemError: It cannot be reached, says that something is wrong, or sends something else.
    """
    data = _wanted(url, "xml")
    try:
        return parse_xml(data)
    except ValueError as error:
        raise ItemError("answered with XML that is cut off or damaged") from error


def ask_piece(url: str) -> bytes:
    """Ask a service for an image; return it, encoded.

    Raises:
        ItemError: It cannot be reached, says that something is wrong, or sends something else.
    """
    return _wanted(url, "image")


def _wanted(url: str, kind: Wanted) -> bytes:
    """Return an answer that seems to be of a kind.

    Raises:
        ItemError: It cannot be had, or says that something is wrong, or is of another kind.
    """
    answer = ask(url)
    problem = problem_in(answer.content_type, answer.data, wanted=kind)
    if problem:
        raise ItemError(scrubbed(problem))
    return answer.data


def check_address(url: str) -> None:
    """Refuse what is no address in the web: what a service names may be a file of ours.

    Raises:
        ItemError: It is none of http or https, or malformed, or holds a password.
    """
    try:
        parts = urlsplit(url)
        is_web = parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
        is_web = is_web and parts.port != 0
    except ValueError:
        is_web = False
    if not is_web or _UNPRINTED.search(url) or "\\" in url:
        raise ItemError("names something that is no address of http or https; it is not asked for")
    if "@" in parts.netloc:
        raise ItemError("names an address with a user name or password; it is not asked for")


def check_host(given: str, named: str) -> None:
    """Refuse to take credentials to a host that only a service names.

    Raises:
        ItemError: What it names is no address, or there are credentials and it is another host
            than the user gave.
    """
    check_address(named)
    here, there = origin(given), origin(named)
    if here != there and credentials():
        is_open = here[0] == "https" != there[0]
        where = "http, which anybody can read" if is_open else f"{there[1]}, another host"
        raise ItemError(f"leads to {where}, and credentials are for one host; leave them out")


def origin(url: str) -> tuple[str, str]:
    """Return scheme and host with port, which is whom credentials are for."""
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def shown(url: str) -> str:
    """Return a URL for people: without its query."""
    parts = urlsplit(url)
    return scrubbed(f"{parts.scheme}://{parts.hostname or ''}{_port(url)}{parts.path}")


def _port(url: str) -> str:
    port = urlsplit(url).port
    return f":{port}" if port else ""


def setting(name: str) -> str:
    """Return a number that says how politely to ask, as text."""
    text = os.environ.get(name, "")
    try:
        float(text)
    except ValueError:
        return _POLITE[name]
    return text


def wait(attempt: int) -> None:
    """Wait before another try, each time longer."""
    time.sleep(float(setting("GDAL_HTTP_RETRY_DELAY")) * 2**attempt)


def retries() -> int:
    """Return how often to try again."""
    return int(float(setting("GDAL_HTTP_MAX_RETRY")))


def _headers(first: int | None, start: int) -> dict[str, str]:
    more = {} if first is None else {"Range": f"bytes={start}-{start + first - 1}"}
    return {"User-Agent": user_agent(), "Accept": "*/*", **more, **credentials()}


def _read(response: Any, first: int | None) -> Answer:
    if response.status not in (200, 206):
        raise ItemError(f"answered with HTTP {response.status} {response.reason}")
    data = response.read(_MOST + 1 if first is None else first)
    if len(data) > _MOST:
        raise ItemError(f"sent more than {_MOST >> 20} MB")
    named = {name.lower(): value for name, value in response.headers.items()}
    return Answer(named.get("content-type", "").partition(";")[0].strip().lower(), data, named)


def _refusal(error: urllib.error.HTTPError) -> str:
    """Say what an error of HTTP means, in the words of the service where it has some."""
    with error:
        try:
            said = problem_in(
                error.headers.get_content_type(), error.read(1 << 16), wanted="nothing"
            )
        except (OSError, http.client.HTTPException):
            said = None
    words = f"answered with HTTP {error.code}{f' {error.reason}' if error.reason else ''}"
    if said:
        words += f": {said}"
    if error.code in (401, 403):
        words += f"; {HOW_TO_GIVE}"
    return words


def _no_answer(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "sent an answer that is cut off"
    reason = getattr(error, "reason", error)
    if isinstance(error, TimeoutError) or isinstance(reason, TimeoutError):
        return f"did not answer within {setting('GDAL_HTTP_TIMEOUT')} s (GDAL_HTTP_TIMEOUT)"
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return f"cannot be reached: {words}"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but takes credentials to no other host."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            self._check(req.full_url, newurl)
        except ItemError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    @staticmethod
    def _check(here: str, there: str) -> None:
        check_address(there)
        if origin(here) != origin(there) and credentials():
            raise ItemError(
                f"redirects to {urlsplit(there).hostname}, and credentials are for one host; give"
                " that address itself, or leave them out"
            )


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses of http and https, and neither files nor anything else."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
        _Redirects,
    ):
        opener.add_handler(handler())
    return opener


_OPENER = _opener()
