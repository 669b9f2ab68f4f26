"""VRT files: what they are made of. GDAL composes them; which files it may open is ours to say."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from ..catalog.errors import ItemError
from ..catalog.lock import assert_not_live
from .companions import check_overviews
from .image import Image, read_head
from .raster import GdalName, Raster
from .safe_xml import parse_xml
from .sniff import (
    GDAL_DRIVERS,
    PILLOW_FORMATS,
    TEXT_DRIVERS,
    content_type,
    describe,
    is_disguised,
)
from .srs_text import names_files, systems_in
from .vrt_words import BEFORE, FILES, RELATIVE, unknown_words

_DEEPEST = 8
_DRIVERS = {**{name: formats[0] for name, formats in PILLOW_FORMATS.items()}, **GDAL_DRIVERS}
"""What a source may be, with GDAL's driver: nothing that names yet other files."""
_OTHER_ENCODING = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]*encoding\s*=\s*[\"'](?!utf-8[\"']|us-ascii[\"'])",
    re.IGNORECASE,
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_PREFIX = re.compile(r"[A-Za-z]\w+:")
"""Of a name that means something to one of GDAL's drivers, and is no path."""


def is_vrt(path: Path) -> bool:
    """Return whether a file is a VRT, by content."""
    return path.is_file() and b"<VRTDataset" in read_head(path)


def with_whole_paths(text: str, folder: Path) -> str:
    """Return a VRT with its relative paths, which count from a folder, made absolute.

    Raises:
        ItemError: Its XML is damaged, or it names something that is no file.
    """
    path = folder / "inline.vrt"
    root = _root(path, BEFORE.sub("", text))
    for element in root.iter():
        if element.tag in FILES:
            element.text = str(_where(path, element))
            for name in RELATIVE:
                element.attrib.pop(name, None)
    return tostring(root, encoding="unicode")


def sources(path: Path, text: str | None = None) -> list[Path]:
    """Return the files that a VRT names itself, each once, whether or not they are there.

    Args:
        path: The VRT.
        text: What it says, where it is no file.

    Raises:
        ItemError: It cannot be read, or names something that is no file.
    """
    root = _root(path, text)
    found = (_where(path, element) for element in root.iter() if element.tag in FILES)
    return list(dict.fromkeys(found))


def check_sources(
    path: Path, *, allow_outside: bool = False, text: str | None = None
) -> list[Path]:
    """Return all files that a VRT reads, those of VRTs in it too, once they may be read.

    Args:
        path: The VRT.
        allow_outside: They may lie elsewhere than below its folder.
        text: What it says, where it is no file.

    Raises:
        ItemError: One is missing, is no raster, or lies elsewhere.
    """
    below = None if allow_outside else path.parent.resolve()
    return list(dict.fromkeys(_checked(path, below, depth=0, text=text)))


class VrtReference:
    """How to get at a VRT."""

    def __init__(self, path: Path, *, allow_outside: bool = False, text: str | None = None) -> None:
        """Take the file.

        Args:
            path: The VRT.
            allow_outside: What it reads may lie elsewhere than below its folder.
            text: What it says, with absolute paths, where it is no file.
        """
        self._path = path
        self._text = text
        self._allow_outside = allow_outside

    def open(self) -> Image:
        """Open it by GDAL.

        Raises:
            ItemError: It cannot be used, or one of its sources cannot.
        """
        self._sources()
        return Raster(self._path if self._text is None else GdalName(self._text, {}), "VRT")

    def content(self) -> tuple[int, str]:
        """Return the bytes of it and its sources, and a hash that changes with any of them.

        Raises:
            ItemError: One is missing or may not be read.
        """
        text = _read(self._path) if self._text is None else self._text.encode()
        digest, total = hashlib.sha256(text), len(text)
        for source in self._sources():
            status = source.stat()
            digest.update(repr((str(source), status.st_size, status.st_mtime_ns)).encode())
            total += status.st_size
        return total, digest.hexdigest()

    def _sources(self) -> list[Path]:
        return check_sources(self._path, allow_outside=self._allow_outside, text=self._text)


def _checked(path: Path, below: Path | None, depth: int, text: str | None = None) -> Iterator[Path]:
    if depth > _DEEPEST:
        raise ItemError(f"VRTs in VRTs, more than {_DEEPEST} deep")
    for source in sources(path, text):
        if below is not None and not source.resolve().is_relative_to(below):
            raise ItemError(f"names {source}, outside its own folder; --allow-outside lets it")
        if not source.is_file():
            raise ItemError(f"its source {source} is missing")
        yield source
        if not _is_raster(source):
            yield from _checked(source, below, depth + 1)


def _is_raster(path: Path) -> bool:
    """Return whether a source is pixels; False for another VRT.

    Raises:
        ItemError: It is neither, and might make GDAL read yet other things.
    """
    head = read_head(path)
    looks_like = describe(head)
    if looks_like == "an XML file" and is_vrt(path):
        return False
    driver = _DRIVERS.get(content_type(head) or "")
    if looks_like == "a text file" and path.suffix.lower() == ".asc":
        driver = TEXT_DRIVERS[".asc"]
    if driver and not is_disguised(head):
        check_overviews(path, driver)
        return True
    raise ItemError(f"its source {path} is no raster but {looks_like}")


def _where(path: Path, element: Element) -> Path:
    text = element.text or ""
    is_name = not text.startswith(("<", "/vsi")) and "://" not in text
    if not text or not is_name or _PREFIX.match(text) or "\0" in text:
        raise ItemError(f"names {text[:80] or 'nothing'} as a source, which is no local file")
    if text != text.strip() or _CONTROLS.search(text):  # GDAL reads another name than we do
        raise ItemError(
            f"names {text[:80]!r} as a source: blanks at its ends, or line breaks in it"
        )
    is_relative = "1" in [element.get(name) for name in RELATIVE]
    return path.parent / text if is_relative else Path(text).absolute()


def _root(path: Path, text: str | None) -> Element:
    """Return the root element, once all of it is known.

    Raises:
        ItemError: It is no VRT, or holds what we do not know.
    """
    found = _read(path) if text is None else text.encode()
    if _OTHER_ENCODING.match(found):  # GDAL takes names for UTF-8, XML as it is declared
        raise ItemError("declares an encoding other than UTF-8; write it in that")
    if (
        b"<!DOCTYPE" in found or b"<?" in found.lstrip()[1:]
    ):  # GDAL does not read these as XML has it
        raise ItemError("has a DOCTYPE or instructions in its XML, which no VRT needs")
    try:
        root = parse_xml(found)
    except ValueError as error:
        raise ItemError(f"its XML is damaged: {error}") from error
    if root.tag != "VRTDataset":
        raise ItemError("is XML, and no VRT")
    for words in unknown_words(root):
        raise ItemError(f"has {words[:120]}, which is not among what is read of VRTs")
    for system in filter(names_files, systems_in(root)):
        raise ItemError(f"its reference system {system[:80]!r} names files")
    return root


def _read(path: Path) -> bytes:
    assert_not_live(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ItemError(f"cannot be read: {error.strerror}") from error
