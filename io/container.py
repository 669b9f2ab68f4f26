"""Whether the bytes of a PNG or JPEG are all there, told without decoding a pixel.

Decoders are of no help: GDAL gives noise for a PNG that is cut off, and Pillow takes a JPEG
for whole that lacks its end.
"""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..catalog.errors import ItemError
from .jpeg_markers import BARE, END, FRAMES, MARKER, MOST_SEGMENTS, SCAN, check_count

_PIECE = 1 << 16
_MOST_FILLING = 1 << 20
"""Bytes between the segments before the pixels of a JPEG: Pillow takes them one by one."""


def check_container(where: Path | bytes, media_type: str | None, *, cut_off: bool = False) -> None:
    """Refuse a PNG that is cut off or damaged, and a JPEG that is cut off.

    Args:
        where: A path, or the encoded image; others than PNG and JPEG pass.
        media_type: What it is.
        cut_off: A JPEG may be.

    Raises:
        ItemError: It is; or a JPEG has bands of more than 8 bits, which nothing here decodes, or
            a header that takes minutes to read.
    """
    if media_type not in ("image/png", "image/jpeg"):
        return
    with _opened(where) as file:
        if media_type == "image/png":
            _check_png(file)
        elif not _has_end(file) and not cut_off:
            raise ItemError("JPEG is cut off: its end is missing; --allow-truncated takes the rest")


def has_end(where: Path | bytes) -> bool:
    """Return whether a JPEG is complete; a thumbnail in it has an end of its own.

    Raises:
        ItemError: It cannot be read, has bands of more than 8 bits, or too long a header.
    """
    with _opened(where) as file:
        return _has_end(file)


@contextmanager
def _opened(where: Path | bytes) -> Iterator[IO[bytes]]:
    try:
        with open(where, "rb") if isinstance(where, Path) else io.BytesIO(where) as file:
            yield file
    except OSError as error:
        raise ItemError(f"cannot be read: {error.strerror}") from error


def exif_of_png(where: Path | bytes) -> dict[str, bytes]:
    """Return the EXIF of a PNG, which may lie behind its pixels, by the name ``exif``.

    Raises:
        ItemError: It cannot be read.
    """
    with _opened(where) as file:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
            length = int.from_bytes(head[:4])
            if head[4:] == b"eXIf":
                return {"exif": file.read(length)}
            file.seek(length + 4, io.SEEK_CUR)
    return {}


def _check_png(file: IO[bytes]) -> None:
    """Walk the chunks up to the last; the sums of those that every decoder needs must be right.

    Raises:
        ItemError: One is cut off, or its sum is wrong.
    """
    file.seek(8)
    name = b""
    while name != b"IEND":
        head = file.read(8)
        length, name = int.from_bytes(head[:4]), head[4:]
        found, missing = _sum(file, length, zlib.crc32(name))
        said = file.read(4)
        if len(head) < 8 or missing or len(said) < 4:
            raise ItemError("PNG is cut off: its end is missing")
        is_needed = not name[0] & 0x20
        if is_needed and found != int.from_bytes(said):
            raise ItemError(f"PNG is damaged: the checksum of its {ascii(name)[2:-1]} is wrong")


def _sum(file: IO[bytes], length: int, start: int) -> tuple[int, int]:
    """Return the checksum of the next bytes, and how many of them are not there."""
    while length and (piece := file.read(min(length, _PIECE))):
        start = zlib.crc32(piece, start)
        length -= len(piece)
    return start, length


def _has_end(file: IO[bytes]) -> bool:
    file.seek(2)
    for kind in _markers(file):
        if kind == END:
            return True
        if kind in BARE:
            continue
        head = file.read(3)
        if kind in FRAMES and head[2:] not in (b"", b"\x08"):
            raise ItemError(f"JPEG with {head[2]} bits per band; only 8 are read")
        file.seek(int.from_bytes(head[:2]) - len(head), io.SEEK_CUR)
        if kind == SCAN and _is_last(file):
            return True
    return False


def _markers(file: IO[bytes]) -> Iterator[int]:
    """Yield each marker from here; who takes one goes behind what belongs to it.

    Raises:
        ItemError: There are too many, or too much that is none before the pixels.
    """
    found = filling = 0
    is_header = True
    behind = file.tell()
    while (kind := _next_marker(file)) is not None:
        found += 1
        check_count(found, MOST_SEGMENTS, "segments")
        if is_header:
            filling += file.tell() - 2 - behind
            check_count(filling, _MOST_FILLING, "bytes between its segments")
        is_header = is_header and kind != SCAN
        yield kind
        behind = file.tell()


def _is_last(file: IO[bytes]) -> bool:
    """Return whether an end is the last of a file, as it is of nearly every photo."""
    at = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(max(at, size - 2))
    found = file.read(2)
    file.seek(at)
    return found == bytes((0xFF, END))


def _next_marker(file: IO[bytes]) -> int | None:
    """Return the next marker and go behind it; None where there is none."""
    rest = b""
    while piece := file.read(_PIECE):
        data = rest + piece
        if found := MARKER.search(data):
            file.seek(found.end() - len(data), io.SEEK_CUR)
            return found.group(1)[0]
        rest = b"\xff" if data.endswith(b"\xff") else b""
    return None
