"""Asking a web service: what went wrong is told in one line, and no secret is ever in it.

GDAL fetches the pixels; services are asked for their descriptions here. Both are as polite and send
the same credentials, which come from the environment alone.
"""

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from ..catalog.errors import ItemError
from .safe_xml import parse_xml
from .web_credentials import are_given, credentials, scrubbed
from .web_errors import image_shape, problem_in

RETRIED = (429, 500, 502, 503, 504)
"""Status of a server that is busy or ill for a while."""
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
        "GDAL_ENABLE_WMS_CACHE": "NO",
    }


def user_agent() -> str:
    """Return what we call ourselves, or what the user's environment says."""
    from .. import __version__

    return os.environ.get("GDAL_HTTP_USERAGENT", f"pixelcat/{__version__}")


def ask(url: str, *, first: int | None = None) -> Answer:
    """Ask a service, again after a while where it is busy.

    Args:
        url: Of http or https.
        first: Only so many bytes; None for all.

    Raises:
        ItemError: It cannot be reached, or answers with an error.
    """
    request = urllib.request.Request(url, headers=_headers(url, first))  # noqa: S310
    for attempt in range(retries() + 1):
        if attempt:
            wait(attempt - 1)
        try:
            with _OPENER.open(request, timeout=float(setting("GDAL_HTTP_TIMEOUT"))) as response:
                return _read(response, first)
        except urllib.error.HTTPError as error:
            failure = _refusal(error)
            if error.code not in RETRIED:
                break
        except (TimeoutError, OSError, http.client.HTTPException, ValueError) as error:
            failure = _no_answer(error)
            if not isinstance(error, TimeoutError | ConnectionError):
                break
    raise ItemError(scrubbed(failure))


def ask_json(url: str) -> dict[str, Any]:
    """Ask a service for JSON.

    Raises:
        ItemError: It cannot be reached, says that something is wrong, or sends something else.
    """
    answer = ask(url)
    problem = problem_in(answer.content_type, answer.data, wanted="json")
    if problem:
        raise ItemError(scrubbed(problem))
    try:
        said = json.loads(answer.data)
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
    answer = ask(url)
    problem = problem_in(answer.content_type, answer.data, wanted="xml")
    if problem:
        raise ItemError(scrubbed(problem))
    try:
        return parse_xml(answer.data)
    except ValueError as error:
        raise ItemError("answered with XML that is cut off or damaged") from error


def ask_image(url: str, size: tuple[int, int] | None = None) -> tuple[int, int, int]:
    """Ask a service for an image; return its width, height and bands.

    Raises:
        ItemError: It sends none, or one of another size.
    """
    answer = ask(url)
    problem = problem_in(answer.content_type, answer.data, wanted="image")
    if problem:
        raise ItemError(scrubbed(problem))
    width, height, bands = image_shape(answer.data)
    if size is not None and (width, height) != size:
        raise ItemError(
            f"sent an image of {width} x {height} pixels instead of {size[0]} x {size[1]}"
        )
    return width, height, bands


def check_host(given: str, named: str) -> None:
    """Refuse to take credentials to a host that only a service names.

    Raises:
        ItemError: There are some, and it is another host than the user gave.
    """
    here, there = urlsplit(given), urlsplit(named)
    is_open = here.scheme == "https" != there.scheme
    if (here.netloc != there.netloc or is_open) and are_given():
        where = "http, which anybody can read" if is_open else f"{there.hostname}, another host"
        raise ItemError(f"leads to {where}, and credentials are for one host; leave them out")


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


def _headers(url: str, first: int | None) -> dict[str, str]:
    more = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
    return {"User-Agent": user_agent(), "Accept": "*/*", **more, **credentials()}


def _read(response: Any, first: int | None) -> Answer:
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
        there, here = urlsplit(newurl), urlsplit(req.full_url)
        if there.scheme not in ("http", "https"):
            raise ItemError(f"redirects to {there.scheme}, which is not the web")
        if (there.scheme, there.netloc) != (here.scheme, here.netloc) and are_given():
            raise ItemError(
                f"redirects to {there.hostname}, and credentials are for one host; give that"
                " address itself, or leave them out"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)
