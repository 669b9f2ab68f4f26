"""What one value of a table says of photos: paths, links, encoded images, lists of them."""

import base64
import binascii
import json
import re
from collections.abc import Iterable
from html import unescape
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from ..catalog.errors import ItemError
from ..catalog.records import SqlValue
from .photo_paths import USUAL_FOLDERS, clean_path
from .probe import IMAGE_SUFFIXES
from .sniff import HEAD_BYTES, content_type

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[^;,]*)*),", re.IGNORECASE)
_BETWEEN_DATA_URIS = re.compile(r"[\s;|,]+(?=data:)", re.IGNORECASE)
_LINK = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
_LEAST_BASE64 = 64
_HTML_IMAGE = re.compile(
    r"""<img\b[^<>]{0,1000}?\bsrc\s{0,9}=\s{0,9}["']([^"'<>]+)["']""", re.IGNORECASE
)
"""Descriptions in KML show photos so."""
_SUFFIX = re.compile(r"\.\w{2,5}$")
_SEPARATORS = (";", "|", ",")
_FOLDERS = {*(folder.lower() for folder in USUAL_FOLDERS), "pictures", "images", "attachments"}


class Photo(NamedTuple):
    """One photo that a value names or holds."""

    kind: Literal["path", "link", "encoded"]
    content: str | bytes
    """The path or link; the image itself, or its base64 text."""
    declared_type: str | None = None


def photos_in(value: SqlValue) -> list[Photo]:
    """Return the photos of a value in their order; none of NULL and of empty values."""
    if isinstance(value, bytes):
        return [Photo("encoded", value)] if value else []
    text = "" if value is None else str(value).strip()
    if not text:
        return []
    if text[0] == "[":
        listed = _json_list(text)
        if listed is not None:
            return [photo for part in listed for photo in photos_in(part)]
    shown = _HTML_IMAGE.findall(text)
    if shown:
        return [_photo(unescape(source)) for source in shown]
    if text[:5].lower() == "data:":
        return [_photo(part) for part in _BETWEEN_DATA_URIS.split(text)]
    if _is_base64_image(text):
        return [Photo("encoded", text)]
    return [_photo(part) for part in _split(text)]


def lists_in(text: str) -> list[list[str]]:
    """Return the parts of a text by each separator that is in it, whatever the parts are."""
    lists = (
        [part.strip() for part in text.split(mark) if part.strip()] for mark in ("\n", *_SEPARATORS)
    )
    return [parts for parts in lists if len(parts) > 1]


def image_bytes(photo: Photo) -> bytes:
    """Return the encoded image that a value holds.

    Raises:
        ItemError: Its base64 is damaged.
    """
    if isinstance(photo.content, bytes):
        return photo.content
    try:
        return base64.b64decode(re.sub(r"\s+", "", photo.content), validate=True)
    except ValueError as error:
        raise ItemError(f"is no valid base64: {error}") from error


def looks_like_photos(value: SqlValue) -> bool:
    """Return whether a value is one that photo columns hold."""
    return any(map(_looks_like_photo, photos_in(value)))


def is_encoded(value: SqlValue) -> bool:
    """Return whether a value holds an image itself."""
    return any(photo.kind == "encoded" for photo in photos_in(value))


def _looks_like_photo(photo: Photo) -> bool:
    if photo.kind == "encoded":
        if isinstance(photo.content, bytes):
            return content_type(photo.content[:HEAD_BYTES]) is not None
        return (photo.declared_type or "image/").startswith("image/")
    name = str(photo.content)
    path = PurePosixPath(re.split("[?#]", name)[0] if photo.kind == "link" else clean_path(name))
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    folders = {part.lower() for part in path.parts[:-1]}
    return photo.kind == "path" and not _SUFFIX.search(path.name) and bool(folders & _FOLDERS)


def _json_list(text: str) -> list[str] | None:
    """Return the texts of a JSON list, and those of objects in it that look like photos."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    texts = [part for part in found if isinstance(part, str)]
    for part in found:
        if isinstance(part, dict):
            texts += [v for v in part.values() if isinstance(v, str) and looks_like_photos(v)]
    return texts if texts or not found else None


def _split(text: str) -> list[str]:
    """Split a list; a separator counts only where every part looks like a file or a link."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [part for line in lines for part in _split_line(line)]


def _split_line(line: str) -> Iterable[str]:
    for separator in _SEPARATORS:
        parts = [part.strip() for part in line.split(separator) if part.strip()]
        if len(parts) > 1 and all(_LINK.match(part) or _SUFFIX.search(part) for part in parts):
            return parts
    return [line.strip(" ;|,")] if line.strip(" ;|,") else []


def _photo(text: str) -> Photo:
    uri = _DATA_URI.match(text)
    if uri:
        return Photo("encoded", text[uri.end() :], uri[1] and uri[1].lower())
    return Photo("link" if _LINK.match(text) else "path", text)


def _is_base64_image(text: str) -> bool:
    if len(text) < _LEAST_BASE64 or not _BASE64.fullmatch(text[:_LEAST_BASE64]):
        return False
    head = "".join(text[: 2 * _LEAST_BASE64].split())[:_LEAST_BASE64]
    try:
        return content_type(base64.b64decode(head)) is not None
    except binascii.Error:
        return False
