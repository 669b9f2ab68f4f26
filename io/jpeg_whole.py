"""Whether all of a JPEG's pixels are coded in it, which Pillow does not say.

Pillow drops the warnings of libjpeg: of a photo with a hole in its data it gives what the rest
happens to decode to. GDAL takes them for errors. What it decodes for that is an eighth as wide
and high, which takes a fraction of the time: all data is read for it, and few pixels are made.

Data that says less than it should leaves some over, of which libjpeg says nothing where there
is one scan. So the frame is made to declare some rows more, for which there must be no data.

Of a JPEG in several scans a decoder holds all coefficients at any size. GDAL refuses to above
500 MiB of them, and stops at a number of scans: neither may pass for a photo that is whole.
"""

import re

import rasterio
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from ..catalog.errors import ItemError, first_line
from .georeference import unplaced
from .jpeg_frame import Frame
from .jpeg_markers import MOST_SCANS, SCAN, check_count, segments
from .raster import ATTACHMENT, GDAL_ERRORS, LOCAL

_SMALLEST = 256
"""Longer side from which GDAL offers a JPEG at half its size; at a quarter from twice as much."""
_MOST_HALVINGS = 3
_SPARE = 16
"""Units for which data may be left over: some programs fill up with a few bytes."""
_DAMAGE = re.compile(r"Corrupt JPEG data|Premature end|Inconsistent progression")
"""Of what libjpeg says: anything else is Pillow's to judge."""
_UNSEEN = re.compile(r"libjpeg to allocate|Backing store|Insufficient memory|maximum scans")
_SURPLUS = re.compile(r"(\d+) extraneous bytes before marker 0x(?!d[0-7])")
_FILLING = 16
"""Bytes too many before a marker that are let pass, but for one that restarts the data."""
_WORDS = re.compile(r"^.*libjpeg: (?:Corrupt JPEG data: )?")
_EXIF, _NO_EXIF = b"Exif\0\0", b"exif\0\0"
"""GDAL would read the thumbnail in it instead of the photo at the same size."""
_ROOM = {"JPEGMEM": "64000M", "GDAL_JPEG_MAX_ALLOWED_SCAN_NUMBER": str(MOST_SCANS + 2)}
"""Pillow holds as many coefficients. A limit in the environment goes before, for both."""


def is_in_scans(encoded: bytes) -> bool:
    """Return whether a JPEG comes in several scans, so that a decoder holds all of it at once.

    Raises:
        ItemError: In too many, or it has too many segments.
    """
    if Frame.of(encoded):
        return False
    scans = 0
    for kind, _ in segments(encoded):
        scans += kind == SCAN
        check_count(scans, MOST_SCANS, "scans")
    return scans > 0


def check_whole(encoded: bytes, width: int, height: int) -> None:
    """Refuse a JPEG of which data is missing or wrong inside.

    Args:
        encoded: The JPEG.
        width: Its width in pixels, as coded.
        height: Its height.

    Raises:
        ItemError: It is damaged, or could not be looked at for want of memory.
    """
    data = encoded.replace(_EXIF, _NO_EXIF)
    frame = Frame.of(data)
    taller = frame and frame.taller(_SPARE)
    if frame and taller:
        data, height = frame.with_height(data, taller), taller
    halvings = sum(max(width, height) >= _SMALLEST << each for each in range(_MOST_HALVINGS))
    options = {"OVERVIEW_LEVEL": halvings - 1} if halvings else {}
    with rasterio.Env(**{**LOCAL, **ATTACHMENT, **_ROOM}), MemoryFile(data) as file:
        try:
            with unplaced():
                dataset = file.open(driver="JPEG", **options)
            with dataset:
                is_surplus = _read(dataset, frame if taller else None, 8 >> halvings)
        except GDAL_ERRORS as error:
            if _UNSEEN.search(said := first_line(error)):
                raise ItemError(
                    "JPEG could not be looked at for damage, which takes more memory than there is"
                    " or JPEGMEM allows; --allow-truncated takes it as it is"
                ) from error
            if not _is_damage(said):
                return
            raise _damaged(_WORDS.sub("", said)) from error
    if is_surplus:
        raise _damaged("more data than its pixels take")


def _read(dataset: DatasetReader, frame: Frame | None, block: int) -> bool:
    """Read all rows; return whether there is data for more than that.

    Args:
        dataset: The JPEG, with spare rows if there is a frame.
        frame: What it was before.
        block: Rows of a block at the scale that is read.
    """
    if frame is None:
        dataset.read()
        return False
    unit = frame.down * block
    rows = frame.rows_of_units * unit
    in_reach = rows if frame.down == 1 else rows - unit // 2  # rows below are looked at for others
    dataset.read(window=Window(0, 0, dataset.width, in_reach))
    try:
        dataset.read(window=Window(0, rows, dataset.width, dataset.height - rows))
    except GDAL_ERRORS:
        return False
    return True


def _damaged(what: str) -> ItemError:
    return ItemError(
        f"JPEG is cut off or damaged inside: {what}; --allow-truncated takes it as it is"
    )


def _is_damage(said: str) -> bool:
    surplus = _SURPLUS.search(said)
    return bool(_DAMAGE.search(said)) and not (surplus and int(surplus[1]) <= _FILLING)
