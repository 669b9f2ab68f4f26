"""What ArcGIS calls the environment: which part of the ground, and on which grid.

GDAL is loaded with the first image: what is asked for is known without it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from ..catalog.errors import NotAskedError
from .extent import Extent
from .grid import GridOptions
from .image import Image
from .map_system import MapSystem
from .mask import Mask
from .part import Part


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """What is asked for of every image; by default all of it as it is."""

    extent: Extent | None = None
    mask: Mask | None = None
    grid: GridOptions = GridOptions()  # noqa: RUF009  frozen
    nodata: tuple[float, ...] = ()
    """Values that mark NoData besides those that a file declares; one, or one per band."""
    map_system: MapSystem | None = None
    """Where class rasters are brought once they are made; None leaves them on the grid."""

    def of(self, image: Image, bands: tuple[int | str, ...] = ()) -> Image:
        """Return an image as it is to be read, or itself where nothing is asked.

        Args:
            image: An open image.
            bands: What the model takes, 0-based indexes or names; none for all bands.

        Raises:
            NotAskedError: Something on the ground is asked for, and it is a photo.
            ItemError: It cannot be brought to the grid.
        """
        from .nodata import with_nodata
        from .palette import takes_colors, with_palette
        from .photo import Photo
        from .warped import on_grid

        if isinstance(image, Photo) and image.is_indexed and bands and not takes_colors(bands):
            image.keep_numbers()
        image = with_palette(with_nodata(image, self.nodata), bands)
        if not self.options:
            return image
        if image.transform is None:
            raise NotAskedError(f"{_unplaced(image)}; {self.options[0]} cannot apply")
        return on_grid(image, self.grid.grid_of(image))

    @contextmanager
    def part_of(self, image: Image) -> Iterator[Part]:
        """Give what of an image, as :meth:`of` returned it, is to get a class.

        Raises:
            NotAskedError: Nothing.
            ItemError: It cannot be told where the image lies.
        """
        part = Part.whole(image) if self.extent is None else self.extent.part_of(image)
        with ExitStack() as opened:
            if self.mask is not None:
                limit = opened.enter_context(self.mask.over(image))
                part = replace(part, limits=(*part.limits, limit))
            yield part

    @property
    def options(self) -> tuple[str, ...]:
        """Those that ask for something on the ground, as they are called."""
        asked = {
            "--extent": self.extent,
            "--mask": self.mask,
            "--cell-size": self.grid.cell_size,
            "--crs": self.grid.crs,
            "--snap": self.grid.snap,
            "--map-crs": self.map_system,
        }
        return tuple(name for name, value in asked.items() if value is not None)


def _unplaced(image: Image) -> str:
    from .control import control_of

    control = control_of(image)
    if control is None:
        return "has no place on the ground"
    return f"has {control.name} and no transform: bring it to the ground first ({control.command})"
