"""What is taken of ZIP archives from strangers, wherever one is read."""

import lzma
import zipfile
import zlib
from collections.abc import Sequence

MOST_MEMBERS = 500_000
MAX_RATIO = 200
"""Unpacked to packed bytes of one member: photos hardly compress, weights and tables less than
some tenfold."""
_SMALL = 1 << 20
"""Bytes: a member of this size may be packed as tightly as it likes."""
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways to pack that Python unpacks piece by piece; of others a piece may be of any size."""
BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, EOFError, ValueError),
    *(zlib.error, lzma.LZMAError),
)
"""What reading a damaged or encrypted archive raises, besides what the disk does."""


def too_many(entries: Sequence[zipfile.ZipInfo], most: int | None = None) -> str | None:
    """Return why an archive with these members is refused, None where there are not too many.

    Args:
        entries: Of its directory.
        most: How many it may have; default what any archive may.
    """
    most = MOST_MEMBERS if most is None else most
    return f"holds {len(entries)} files, more than {most}" if len(entries) > most else None


def leads_out(name: str) -> bool:
    """Return whether the name of a member, or of a folder, leads out of its archive."""
    return name.startswith("/") or ".." in name.split("/") or "\\" in name


def unbounded(entry: zipfile.ZipInfo) -> str | None:
    """Return why a member cannot be unpacked within limits, None where it can."""
    if entry.compress_type not in _BOUNDED:
        return "is packed so that it may take any memory; pack it with deflate"
    if entry.file_size > max(_SMALL, MAX_RATIO * entry.compress_size):
        return f"is packed more than {MAX_RATIO} times"
    return None
