"""What a user says about an input, where it does not say it itself."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from ...catalog.errors import UsageError


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

    @classmethod
    def checked(
        cls,
        *,
        layer: str | None = None,
        photo_columns: str | Sequence[str] = (),
        media: str | os.PathLike[str] | None = None,
        xy: Sequence[str] | None = None,
    ) -> Self:
        """Return what a user says, checked as far as it can be without the input.

        Raises:
            UsageError: The folder is none, or not two columns of coordinates.
        """
        folder = None if media is None else Path(media)
        if folder is not None and not folder.is_dir():
            raise UsageError(f"--media {folder}: no such folder")
        if xy is not None and (isinstance(xy, str) or len(xy) != 2 or not all(xy)):
            given = xy if isinstance(xy, str) else ",".join(xy)
            raise UsageError(f"--xy {given} is not two columns, as in --xy lon,lat")
        names = [photo_columns] if isinstance(photo_columns, str) else photo_columns
        return cls(
            layer=layer,
            photo_columns=tuple(names),
            media=folder,
            xy=None if xy is None else (xy[0], xy[1]),
        )


class Attached(NamedTuple):
    """What of a database is attachments, in lower case."""

    layers: frozenset[str]
    """Layers that have attachments."""
    tables: Mapping[str, str]
    """Tables that hold or link them, each with its layer."""
