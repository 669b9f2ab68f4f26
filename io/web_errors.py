"""What an answer of a web service is that is not what was asked for."""

import json
from typing import Literal
from xml.etree.ElementTree import Element

from .safe_xml import parse_xml
from .sniff import content_type, describe

_TOKEN = (498, 499)
"""How ArcGIS numbers a token that is invalid, and one that is missing."""
_SHOWN = 200
"""Characters of what a service says."""
Wanted = Literal["json", "xml", "image", "nothing"]


def problem_in(declared: str, data: bytes, *, wanted: Wanted) -> str | None:
    """Return what is wrong with an answer, or None.

    Args:
        declared: Its media type, as the service says.
        data: The answer, or its beginning where nothing is wanted of it.
        wanted: What it should be.
    """
    is_image = content_type(data[:64]) is not None
    if is_image:
        return None if wanted == "image" else _instead("an image", wanted)
    text = data.lstrip()[:1]
    said = _json_error(data) if text == b"{" else _xml_error(data) if text == b"<" else None
    if said is not None:
        return f"the service says: {said}"
    if wanted == "nothing" or (wanted == "json" and text in (b"{", b"[")):
        return None
    looks_like = describe(data[:512])
    if wanted == "xml" and looks_like == "an XML file":
        return None
    if looks_like == "a web page":
        return _instead("a web page (of a sign-in?)", wanted)
    if not data:
        return _instead("nothing", wanted)
    return _instead(f"{looks_like} ({declared or 'no content type'})", wanted)


def _instead(what: str, wanted: Wanted) -> str:
    meant = {"json": "its description", "xml": "its capabilities", "image": "an image"}
    return f"answered with {what} instead of {meant.get(wanted, 'an error')}"


def _json_error(data: bytes) -> str | None:
    """Return the error of an ArcGIS server, which comes with the status of a success."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return None
    error = said.get("error") if isinstance(said, dict) else None
    if error is None:
        return None
    if not isinstance(error, dict):
        return str(error)[:_SHOWN]
    details = error.get("details")
    words = [error.get("message"), *(details if isinstance(details, list) else [details])]
    text = "; ".join(dict.fromkeys(str(word).strip() for word in words if word)) or "error"
    code = error.get("code")
    hint = ", a token is needed or has expired; docs/services.md says how to give one"
    return f"{text[:_SHOWN]} ({code}){hint if code in _TOKEN else ''}"


def _xml_error(data: bytes) -> str | None:
    """Return what a ServiceException or an ows:Exception says."""
    try:
        root = parse_xml(data)
    except ValueError:
        return None
    if local_name(root) not in ("ServiceExceptionReport", "ExceptionReport", "ServiceException"):
        return None
    texts = ("".join(each.itertext()).split() for each in root.iter())
    return " ".join(next((words for words in texts if words), ["an error"]))[:_SHOWN]


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace, and without a prefix."""
    return element.tag.rpartition("}")[2].rpartition(":")[2]
