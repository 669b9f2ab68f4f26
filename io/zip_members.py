"""What is taken of ZIP archives from strangers, wherever one is read."""

import lzma
import zipfile
import zlib
from collections.abc import Sequence

MOST_MEMBERS = 500_000
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways to pack that Python unpacks piece by piece; of others a piece may be of any size."""
BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, EOFError, ValueError),
    *(zlib.error, lzma.LZMAError),
)
"""What reading a damaged or encrypted archive raises, besides what the disk does."""


def too_many(entries: Sequence[zipfile.ZipInfo]) -> str | None:
    """Return why an archive with these members is refused, None where there are not too many."""
    count = len(entries)
    return f"holds {count} files, more than {MOST_MEMBERS}" if count > MOST_MEMBERS else None


def leads_out(name: str) -> bool:
    """Return whether the name of a member, or of a folder, leads out of its archive."""
    return name.startswith("/") or ".." in name.split("/") or "\\" in name


def unbounded(entry: zipfile.ZipInfo) -> str | None:
    """Return why a member cannot be unpacked within limits, None where it can."""
    if entry.compress_type in _BOUNDED:
        return None
    return "is packed so that it may take any memory; pack it with deflate"
