"""Masks: files that say which pixels are to get a class; :mod:`.masked` reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..catalog.errors import ItemError, SourceError, UsageError
from .content import digest
from .image import Image, open_image
from .part import Limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Mask:
    """A file that says where pixels get a class."""

    path: str
    layer: str | None = None
    sha256: str
    """Of its polygons, or of the raster file."""
    is_raster: bool

    @classmethod
    def of_file(cls, path: Path, layer: str | None) -> "Mask":
        """Return the mask in a file.

        Raises:
            UsageError: No polygons in it, a raster that masks nothing, or several layers.
            SourceError: It cannot be read.
        """
        from .layer_shapes import is_layer
        from .masked import polygons
        from .raster_facts import declares_nodata

        where = str(path.resolve())
        if is_layer(path):
            shapes = polygons(path, layer)
            return cls(path=where, layer=layer, sha256=shapes.sha256, is_raster=False)
        try:
            with open_image(path) as image:
                if image.transform is None:
                    raise ItemError("has no place on the ground")
            if not declares_nodata(path):
                raise UsageError(
                    f"--mask {path} declares no NoData, so it leaves nothing out; declare it"
                    " (gdal_edit -a_nodata 0), or give polygons"
                )
            return cls(path=where, sha256=digest(path), is_raster=True)
        except ItemError as error:
            raise SourceError(f"--mask {path}: {error}") from error

    @contextmanager
    def over(self, image: Image) -> Iterator[Limit]:
        """Give what tells which pixels of an image have their centre inside.

        Raises:
            NotAskedError: None has.
            ItemError: The image has no reference system, or none with a way to the mask's.
        """
        from .masked import inside

        with inside(self, image) as limit:
            yield limit
