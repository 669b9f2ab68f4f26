"""Mosaics: many rasters read as one image, those that a window touches and no others."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from ..catalog.errors import ItemError
from .extent import Extent, bounds_of
from .grid import Grid, same_system
from .image import Image, RasterArray, Window, overlap
from .mosaic_plan import NEARLY, Plan, check_bands, opened
from .nodata import with_nodata
from .outlines import corners
from .warped import on_grid

_MOST_OPEN = 16
"""Members kept open: a raster in strips keeps rows of itself in memory."""
_COARSER = 1.001
"""Times the area of a pixel from which on pixels are averaged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Placed:
    """A member on the grid of the mosaic."""

    key: str
    stored: Image
    """To be closed."""
    image: Image
    window: Window
    """Where in the mosaic it lies."""


class _OpenMembers:
    """Members that are open: the last ones that were read."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._open: OrderedDict[tuple[int, tuple[float, ...]], _Placed] = OrderedDict()
        self.count = 0
        """How often a member was opened."""

    def get(self, number: int, nodata: tuple[float, ...]) -> _Placed:
        key = (number, nodata)
        if key not in self._open:
            while len(self._open) >= _MOST_OPEN:
                self._open.popitem(last=False)[1].stored.__exit__()
            self._open[key] = self._place(number, nodata)
        self._open.move_to_end(key)
        return self._open[key]

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].stored.__exit__()

    def _place(self, number: int, nodata: tuple[float, ...]) -> _Placed:
        member = self._plan.members[number]
        stored = opened(member)
        self.count += 1
        try:
            self._check(member.key, stored)
            grid, column, row = _below(stored, self._plan.grid, member.key)
            size = (grid or stored).height, (grid or stored).width
            window = Window(row, column, *size)
            self._plan.check_place(number, window, 0.0 if grid is None else 1.0)
            marked = with_nodata(stored, nodata)
            image = marked if grid is None else on_grid(marked, grid)
        except BaseException:
            stored.__exit__()
            raise
        return _Placed(key=member.key, stored=stored, image=image, window=window)

    def _check(self, key: str, image: Image) -> None:
        head = self._plan.head
        check_bands(key, image.bands, head, self._plan.first)
        if not np.can_cast(image.dtype, head.dtype, "safe"):
            raise ItemError(
                f"member {key} has {image.dtype} pixels, the mosaic has {head.dtype} as"
                f" {self._plan.first} has; --mosaic-order can put it first"
            )


class Mosaic:
    """Rasters as one image.

    A pixel is that of the first member which has data there: NoData, alpha and masks count
    before members are put over each other. Members on another grid are resampled onto it.
    """

    def __init__(
        self, plan: Plan, nodata: tuple[float, ...] = (), members: _OpenMembers | None = None
    ) -> None:
        """Take the plan; no member is opened before it is read."""
        self._plan = plan
        self._nodata = nodata
        self._members = members or _OpenMembers(plan)
        self.width, self.height = plan.grid.width, plan.grid.height
        self.transform: Affine | None = plan.grid.transform
        self.crs: str | None = plan.grid.crs
        self.bands, self.dtype = plan.head.bands, plan.head.dtype
        self.band_names = plan.band_names
        self.orientation: int | None = None
        self.taken_at: str | None = None
        self.position: tuple[float, float] | None = None
        self.direction: float | None = None

    def __enter__(self) -> Self:
        """Return the mosaic itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the members that are open."""
        self._members.close()

    @property
    def times_opened(self) -> int:
        """How often a member was opened to be read."""
        return self._members.count

    def marked(self, values: tuple[float, ...]) -> Image:
        """Return the mosaic of members in which pixels with these values are NoData too."""
        return Mosaic(self._plan, values, self._members)

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the bands with these 0-based indexes.

        Raises:
            ItemError: A member is gone, damaged, or unlike the others; says which one.
        """
        data = np.zeros((len(bands), window.height, window.width), self.dtype)
        valid = np.zeros((window.height, window.width), np.bool_)
        for number in self._plan.touching(window):
            member = self._members.get(number, self._nodata)
            inside = overlap(window, member.window)
            if inside is not None:
                _paste(member, inside, bands, window, data, valid)
                if valid.all():
                    break
        place = self._plan.grid.transform @ Affine.translation(window.column, window.row)
        return RasterArray(data=data, valid=valid, transform=place, crs=self.crs)


def _paste(
    member: _Placed,
    inside: Window,
    bands: tuple[int, ...],
    window: Window,
    data: NDArray[Any],
    valid: NDArray[np.bool_],
) -> None:
    """Fill what is still empty of a window with what a member has there."""
    row, column, height, width = inside
    part = Window(row - member.window.row, column - member.window.column, height, width)
    try:
        raster = member.image.read(part, bands)
    except ItemError as error:
        raise ItemError(f"member {member.key}: {error}") from error
    top, left = row - window.row, column - window.column
    place = (slice(top, top + height), slice(left, left + width))
    new = raster.valid & ~valid[place]
    np.copyto(data[(slice(None), *place)], raster.data, where=new)
    valid[place] |= new


def _below(image: Image, grid: Grid, key: str) -> tuple[Grid | None, int, int]:
    """Return the part of a grid that an image lies on, its first column and row.

    No grid where the pixels of the image are pixels of the grid.
    """
    place, (width, height) = image.transform or Affine.identity(), (image.width, image.height)
    if same_system(image.crs, grid.crs):
        onto = ~grid.transform @ place
        left, top = round(onto.c), round(onto.f)
        ends = ((0, 0), (width, 0), (0, height))
        apart = [(onto @ end, (left + end[0], top + end[1])) for end in ends]
        if all(abs(a - b) < NEARLY for pair in apart for a, b in zip(*pair, strict=True)):
            return None, left, top
    extent = Extent(bounds=bounds_of(place, width, height), crs=image.crs)
    try:
        columns, rows = corners(extent, grid)
    except ItemError as error:
        raise ItemError(f"member {key} {error}") from error
    left, top = math.floor(columns.min()), math.floor(rows.min())
    covered = 0.5 * abs(float(np.sum(columns * np.roll(rows, -1) - rows * np.roll(columns, -1))))
    part = Grid(
        transform=grid.transform @ Affine.translation(left, top),
        width=math.ceil(columns.max()) - left,
        height=math.ceil(rows.max()) - top,
        crs=grid.crs,
        is_coarser=covered * _COARSER < width * height,
    )
    return part, left, top
