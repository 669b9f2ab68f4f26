"""What a user says about an input, where it does not say it itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanOptions:
    """How to look for images in an input."""

    layer: str | None = None
    """Only this feature class; None for all."""
    photo_columns: tuple[str, ...] = ()
    """Columns that hold photos: paths, links, or the encoded image; empty to find them."""
    media: Path | None = None
    """Folder that paths in such columns are relative to; None to try the usual places."""
    xy: tuple[str, str] | None = None
    """Columns with x and y (longitude and latitude) of a table without geometry."""


class Attached(NamedTuple):
    """What of a database is attachments, in lower case."""

    layers: frozenset[str]
    """Layers that have attachments."""
    tables: frozenset[str]
    """Tables that hold or link them."""
