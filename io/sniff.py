"""What a file really is, told from its first bytes and never from its name."""

from collections.abc import Callable

HEAD_BYTES = 2048
"""GDAL looks at 1,024."""

PILLOW_FORMATS = {
    "image/jpeg": ("JPEG",),
    "image/png": ("PNG",),
    "image/gif": ("GIF",),
    "image/bmp": ("BMP",),
    "image/webp": ("WEBP",),
}
"""Media types decoded by Pillow, with the only decoders it may use for them."""

GDAL_DRIVERS = {
    "image/tiff": "GTiff",
    "image/jp2": "JP2OpenJPEG",
    "image/x-erdas-hfa": "HFA",
}
"""Media types decoded by GDAL, with the only driver it may use for them."""

OTHER_DRIVERS = (
    *("ENVI", "EHdr", "PAux", "ROI_PAC", "ISCE", "netCDF", "BAG", "GRIB", "NITF"),
    *("USGSDEM", "SRTMHGT", "DTED", "GSBG", "GS7BG", "RST", "SAGA", "RMF", "HF2", "BT", "LAN"),
    *("LCP", "FIT", "PNM", "SGI", "BSB", "VICAR", "CEOS", "SAR_CEOS", "JAXAPALSAR"),
)
"""Drivers that may be tried on a file of none of these types, once names in it are looked at."""

TEXT_DRIVERS = {".vrt": "VRT", ".asc": "AAIGrid"}
"""Rasters that are text, by the suffix of a file that a user named."""

_IMAGES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
    (b"EHFA_HEADER_TAG", "image/x-erdas-hfa"),
)

_OTHERS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda head: not head, "an empty file"),
    (lambda head: head.startswith(b"%PDF"), "a PDF"),
    (lambda head: head[4:8] == b"ftyp", "a video"),
    (lambda head: head.startswith(b"PK\x03\x04"), "a ZIP archive"),
    (lambda head: head.startswith(b"SQLite format 3"), "an SQLite database"),
    (lambda head: head.startswith(b"version https://git-lfs"), "a Git LFS pointer"),
    (lambda head: head.lstrip().lower().startswith((b"<!doctype html", b"<html")), "a web page"),
    (lambda head: head.lstrip().startswith(b"<"), "an XML file"),
    (lambda head: head.startswith(b"\x89HDF"), "an HDF5 file"),
    (lambda head: head.startswith(b"\x80") and b"." in head, "a Python pickle"),
    (lambda head: b"\x00" not in head and _is_text(head), "a text file"),
)

_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124)}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"}


def content_type(head: bytes) -> str | None:
    """Return the media type of an image, or None where it is no image that we know.

    Args:
        head: The first bytes, at least 32 where the file has them.
    """
    for magic, media_type in _IMAGES:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and head[14:18] in _BMP_HEADERS:
        return "image/bmp"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return (
            "image/avif"
            if brand in {b"avif", b"avis"}
            else "image/heic"
            if brand in _HEIF_BRANDS
            else None
        )
    return None


def is_disguised(head: bytes) -> bool:
    """Return whether GDAL may take a file for a VRT or tile index, whatever it begins with."""
    return b"<VRTDataset" in head or b"<GDALTileIndexDataset" in head


def describe(head: bytes) -> str:
    """Say in words what a file that is no image looks like."""
    return next((words for test, words in _OTHERS if test(head)), "unknown data")


def _is_text(head: bytes) -> bool:
    try:
        head[: HEAD_BYTES - 4].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
