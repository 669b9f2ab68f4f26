"""What is taken of ZIP archives from strangers, wherever one is read."""

import lzma
import zipfile
import zlib

_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways to pack that Python unpacks piece by piece; of others a piece may be of any size."""
BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, ValueError),
    *(zlib.error, lzma.LZMAError),
)
"""What reading a damaged archive raises, besides what the disk does."""


def unbounded(entry: zipfile.ZipInfo) -> str | None:
    """Return why a member cannot be unpacked within limits, None where it can."""
    if entry.compress_type in _BOUNDED:
        return None
    return "is packed so that it may take any memory; pack it with deflate"
