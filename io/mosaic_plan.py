"""Where the members of a mosaic lie on its grid, told without opening them where an index says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from ..catalog.errors import ItemError
from . import srs
from .extent import Extent, bounds_of
from .grid import Grid, GridOptions, is_too_large, same_system
from .image import Image, Window, open_image
from .members import Frame, Head, Member
from .outlines import corners, pixel_boxes
from .rectangles import Bounds
from .watch import reading

NEARLY = 0.01
"""Pixels by which grids may differ and still count as one."""
_SLACK, _SLACK_SHARE = 2.0, 0.01
"""Pixels, and share of the size, by which an outline of an index may be wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A mosaic, but for its pixels."""

    members: tuple[Member, ...]
    """The first that has data is what is seen."""
    grid: Grid
    head: Head
    band_names: tuple[str | None, ...]
    first: str
    """The member that the grid, and what the bands are, are taken from."""
    boxes: NDArray[np.float64]
    """Columns and rows of each member's outline: left, top, right, bottom."""
    tree: shapely.STRtree
    outlines: NDArray[np.float64]
    """The same as the index says it, without the room that is left for its errors."""

    def check_place(self, number: int, window: Window, spare: float) -> None:
        """Refuse a member that lies outside its outline: what is seen would depend on windows.

        Args:
            number: Of the member.
            window: Where on the grid it is.
            spare: Pixels by which that may be too large.

        Raises:
            ItemError: It does, by more than half a pixel.
        """
        member = self.members[number]
        if member.is_exact:
            return
        left, top, right, bottom = self.outlines[number]
        if member.outline and not same_system(member.outline.crs, self.grid.crs):
            spare += float((self.outlines[number] - self.boxes[number])[0])
        spare += 0.5
        east, south = window.column + window.width, window.row + window.height
        beyond = (left - window.column, top - window.row, east - right, south - bottom)
        if max(beyond) > spare:
            true = self._on_ground(window.column, window.row, east, south)
            said = self._on_ground(left, top, right, bottom)
            raise ItemError(f"member {member.key} lies at {true}, its index says {said}")

    def _on_ground(self, left: float, top: float, right: float, bottom: float) -> str:
        place = self.grid.transform @ Affine.translation(left, top)
        return " ".join(f"{side:.10g}" for side in bounds_of(place, right - left, bottom - top))

    def touching(self, window: Window) -> list[int]:
        """Return the members that may have pixels in a window, in their order."""
        right, bottom = window.column + window.width, window.row + window.height
        found = self.tree.query(shapely.box(window.column, window.row, right, bottom))
        left, top, east, south = self.boxes[found].T
        inside = (left < right) & (east > window.column) & (top < bottom) & (south > window.row)
        return sorted(found[inside].tolist())

    def resampled(self) -> int:
        """Return how many members are not on the grid, as far as their headers are known."""
        known = [n for n, m in enumerate(self.members) if m.is_exact and m.head and m.head.size]
        sizes = np.array(
            [m.head.size for m in self.members if m.is_exact and m.head and m.head.size]
        )
        if not known:
            return 0
        boxes = self.boxes[known]
        apart = np.hstack([boxes - np.round(boxes), boxes[:, 2:] - boxes[:, :2] - sizes])
        systems = {m.outline.crs for m in self.members if m.outline}
        same = {crs: same_system(crs, self.grid.crs) for crs in systems}
        elsewhere = [not same[o.crs] for n in known if (o := self.members[n].outline)]
        return int(np.count_nonzero((np.abs(apart) > NEARLY).any(axis=1) | np.array(elsewhere)))


def plan_of(members: Sequence[Member], frame: Frame) -> Plan:
    """Lay out a mosaic.

    Args:
        members: With their files; the first of them is opened, others only where nothing
            but their header says where they lie.
        frame: What an index says of the grid.

    Raises:
        ItemError: A member cannot be used.
    """
    first = members[0]
    with opened(first) as image:
        head = Head(bands=image.bands, dtype=image.dtype)
        names = image.band_names
        anchor = _anchor(image, frame, first.key)
        near = _is_near(members, image.crs)
    known = tuple(m if m.outline and near[m.outline.crs] else with_header(m) for m in members)
    head = _common(known, head, first.key)
    boxes = pixel_boxes([(m.key, m.outline) for m in known if m.outline], anchor)
    grid, boxes = _framed(anchor, boxes, frame)
    slack = np.array([0.0 if each.is_exact else 1.0 for each in known])[:, np.newaxis]
    outlines = boxes
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    more = slack * (_SLACK + _SLACK_SHARE * sides)
    boxes = np.hstack([boxes[:, :2] - more, boxes[:, 2:] + more])
    return Plan(
        members=known,
        grid=grid,
        head=head,
        band_names=names,
        first=first.key,
        boxes=boxes,
        tree=shapely.STRtree(shapely.box(*boxes.T)),
        outlines=outlines,
    )


def opened(member: Member) -> Image:
    """Open a member.

    Raises:
        ItemError: It cannot be used in a mosaic; says which one.
    """
    where = member.where
    if where is None:
        raise ItemError(f"member {member.key} is missing")
    try:
        with reading(member.key):
            image = open_image(where)
        if image.transform is None:
            image.__exit__()
            raise ItemError("has no place on the ground")
    except ItemError as error:
        raise ItemError(f"member {member.key}: {error}") from error
    return image


def with_header(member: Member) -> Member:
    """Return a member with what its header says.

    Raises:
        ItemError: It cannot be used in a mosaic; says which one.
    """
    with opened(member) as image:
        place = image.transform or Affine.identity()
        bounds = bounds_of(place, image.width, image.height)
        return replace(
            member,
            outline=Extent(bounds=bounds, crs=image.crs),
            is_exact=True,
            head=Head(bands=image.bands, dtype=image.dtype, size=(image.width, image.height)),
        )


def _anchor(image: Image, frame: Frame, key: str) -> Grid:
    """Return a grid of the system and cells of the mosaic, where the first member lies."""
    system = None if frame.crs is None else srs.definition(frame.crs)
    own = image.crs if system is None or same_system(system, image.crs) else system
    if own == image.crs and frame.cell is None:
        place = image.transform or Affine.identity()
        return Grid(transform=place, width=image.width, height=image.height, crs=own)
    try:
        grid = GridOptions(crs=None if own == image.crs else own).grid_of(image)
    except ItemError as error:
        raise ItemError(f"member {key} {error}") from error
    if frame.cell is None:
        return grid
    west, _, _, north = frame.bounds or grid.bounds
    across, down = frame.cell
    return replace(grid, transform=Affine(across, 0, west, 0, -down, north))


def _is_near(members: Sequence[Member], crs: str | None) -> dict[str | None, bool]:
    """Return of each system of outlines whether it is that of the first member.

    Others enlarge outlines: the mosaic would get a margin of NoData.
    """
    systems = {member.outline.crs for member in members if member.outline}
    return {each: same_system(each, crs) for each in systems}


def _common(members: Sequence[Member], head: Head, first: str) -> Head:
    """Return bands and type of the mosaic: a type that holds those of all known members."""
    dtypes = {head.dtype}
    for member in members:
        if member.head is not None:
            check_bands(member.key, member.head.bands, head, first)
            dtypes.add(member.head.dtype)
    dtype = np.result_type(*dtypes).name
    return replace(head, dtype=dtype if dtype in ("uint8", "uint16", "int16") else "float32")


def check_bands(key: str, bands: int, head: Head, first: str) -> None:
    """Refuse a member with another number of bands.

    Raises:
        ItemError: It has.
    """
    if bands != head.bands:
        raise ItemError(
            f"member {key} has {bands} band(s), {first} has {head.bands}; --where chooses members"
        )


def _check_sides(boxes: NDArray[np.float64], grid: Grid) -> None:
    """Refuse members in degrees that only the 180th meridian parts: a mosaic is laid out eastward.

    Raises:
        ItemError: They are.
    """
    circle = None if grid.crs is None else srs.circle(grid.crs)
    if circle is None:
        return
    half = circle / 2 / math.hypot(grid.transform.a, grid.transform.d)
    sides = boxes[np.argsort(boxes[:, 0])][:, [0, 2]]
    gaps = sides[1:, 0] - np.maximum.accumulate(sides[:, 1])[:-1]
    if len(gaps) and gaps.max() > half:
        raise ItemError(
            "lies on both sides of the 180th meridian and would go round the globe the long way;"
            " --mode separate, or --where for one side"
        )


def _framed(
    anchor: Grid, boxes: NDArray[np.float64], frame: Frame
) -> tuple[Grid, NDArray[np.float64]]:
    """Return the grid that holds all boxes, or that of the frame, and the boxes on it."""
    if frame.bounds is None:
        _check_sides(boxes, anchor)
    around: Bounds = (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))
    if frame.bounds is not None:
        extent = Extent(bounds=frame.bounds, crs=anchor.crs)
        columns, rows = corners(extent, anchor)
        around = (columns.min(), rows.min(), columns.max(), rows.max())
    if not all(map(math.isfinite, around)):
        raise ItemError("cannot be laid out: a member lies nowhere on its grid")
    left, top = (math.floor(side + NEARLY) for side in around[:2])
    right, bottom = (math.ceil(side - NEARLY) for side in around[2:])
    width, height = max(1, right - left), max(1, bottom - top)
    if is_too_large(width, height):
        raise ItemError(
            f"would have {width} x {height} pixels: its members lie too far apart;"
            " --mode separate, or --where for some of them"
        )
    place = anchor.transform @ Affine.translation(left, top)
    grid = Grid(transform=place, width=width, height=height, crs=anchor.crs)
    return grid, boxes - np.array([left, top, left, top], np.float64)
