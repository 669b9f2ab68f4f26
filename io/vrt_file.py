"""VRT files: what they are made of. GDAL composes them; which files it may open is ours to say."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from ..catalog.errors import ItemError
from ..catalog.lock import assert_not_live
from .image import Image, read_head
from .raster import GdalName, Raster
from .safe_xml import parse_xml
from .sniff import content_type, describe

_NAMES = ("SourceFilename", "SourceDataset")
_DEEPEST = 8
_OTHERS = ("unknown data", "an HDF5 file", "an SQLite database")
"""Rasters that our list of magic bytes does not have may look so."""


def is_vrt(path: Path) -> bool:
    """Return whether a file is a VRT, by content."""
    return path.is_file() and b"<VRTDataset" in read_head(path)


def is_vrt_text(text: str) -> bool:
    """Return whether a text is no path but a VRT itself."""
    return text.lstrip().startswith("<VRTDataset")


def with_whole_paths(text: str, folder: Path) -> str:
    """Return a VRT with its relative paths, which count from a folder, made absolute.

    Raises:
        ItemError: Its XML is damaged, or it names something that is no file.
    """
    path = folder / "inline.vrt"
    root = _root(path, text)
    for element in _elements(root):
        element.text = str(_where(path, element))
        element.attrib.pop("relativetoVRT", None)
        element.attrib.pop("relativeToVRT", None)
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
    return list(dict.fromkeys(_where(path, element) for element in _elements(root)))


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
    if content_type(head) is not None or looks_like in _OTHERS:
        return True
    if looks_like == "a text file" and path.suffix.lower() == ".asc":
        return True
    if b"<VRTDataset" in head:
        return False
    raise ItemError(f"its source {path} is no raster but {looks_like}")


def _elements(root: Element) -> Iterator[Element]:
    for element in root.iter():
        is_argument = element.tag == "Argument" and "filename" in element.get("name", "").lower()
        if element.tag in _NAMES or is_argument:
            yield element


def _where(path: Path, element: Element) -> Path:
    text = (element.text or "").strip()
    if not text or text.startswith(("<", "/vsi")) or "://" in text:
        raise ItemError(f"names {text[:80] or 'nothing'} as a source, which is no local file")
    is_relative = element.get("relativeToVRT", element.get("relativetoVRT", "0")) == "1"
    return path.parent / text if is_relative else Path(text).absolute()


def _root(path: Path, text: str | None) -> Element:
    try:
        root = parse_xml(_read(path) if text is None else text.encode())
    except ValueError as error:
        raise ItemError(f"its XML is damaged: {error}") from error
    if root.tag != "VRTDataset":
        raise ItemError("is XML, and no VRT")
    return root


def _read(path: Path) -> bytes:
    assert_not_live(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ItemError(f"cannot be read: {error.strerror}") from error
