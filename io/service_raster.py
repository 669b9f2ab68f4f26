"""A raster that a service draws or serves in tiles, cut to what is asked for."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from ..catalog.errors import ItemError
from ..catalog.records import Dataset, Item
from .image import Image, RasterArray, Window, overlap, working_dtype
from .raster import differs
from .service_pieces import Pieces
from .service_request import Request

Rings = tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceRaster:
    """A reference to such a raster."""

    crs: str
    """WKT."""
    request: Request
    """What is asked; it holds no secrets."""
    outline: Rings = ()
    """Rings in the reference system; pixels whose centre is outside are NoData."""

    def open(self) -> Image:
        """Open it; nothing is asked yet."""
        return _ServiceImage(self)

    def content(self) -> tuple[None, str]:
        """Return the hash of the request: what a service shows may change without a sign."""
        return None, hashlib.sha256(json.dumps(self.as_json()).encode()).hexdigest()

    def as_json(self) -> dict[str, object]:
        """Return it for the catalog."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, object]) -> Self:
        """Return what :meth:`as_json` gave."""
        request = said["request"]
        return cls(**{**said, "request": Request(**request)})  # type: ignore[arg-type]  # lists serve as well as tuples


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], ServiceRaster]]:
    """Fetch the rasters of a service as its scan described them; it is not asked again."""
    rasters = json.loads(dataset.options["rasters"])

    def fetch(item: Item) -> ServiceRaster:
        if item.source_key not in rasters:
            raise ItemError("is no longer what the service was asked for; scan it again")
        return ServiceRaster.from_json(rasters[item.source_key])

    yield fetch


class _ServiceImage:
    """Such a raster, open."""

    def __init__(self, raster: ServiceRaster) -> None:
        request = raster.request
        self.width, self.height = request.width, request.height
        self.bands = request.bands - request.has_alpha
        self.dtype = working_dtype(request.dtype)
        self.band_names: tuple[str | None, ...] = (None,) * self.bands
        self.orientation: int | None = None
        self.taken_at: str | None = None
        self.position: tuple[float, float] | None = None
        self.direction: float | None = None
        self.transform: Affine | None = Affine(*request.transform)
        self.crs: str | None = raster.crs
        self.palette = None
        self.is_in_pieces = True
        """Every window costs requests."""
        self._place = self.transform
        self._request = request
        self._pieces = Pieces(request)
        self._outline = shapely.Polygon()
        for ring in raster.outline:  # a ring within another is a hole in it
            self._outline = self._outline.symmetric_difference(shapely.Polygon(ring).buffer(0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pieces.forget()

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the bands with these 0-based indexes.

        Only the pieces that it touches are asked for.

        Raises:
            ItemError: The service does not give a piece of it; says why.
        """
        shape = window.height, window.width
        data = np.zeros((len(bands), *shape), self._request.dtype)
        alpha = np.full(shape, not self._request.has_alpha, np.bool_)
        for piece, pixels in self._pieces.fetch(self._request.pieces(window)):
            common = overlap(piece.window, window)
            if common is not None:
                here, there = _slices(common, window), _slices(common, piece.window)
                data[(slice(None), *here)] = pixels[(list(bands), *there)]
                if self._request.has_alpha:
                    alpha[here] = pixels[(-1, *there)] != 0
        place = self._place @ Affine.translation(window.column, window.row)
        valid = alpha & self._valid(data, place)
        with np.errstate(over="ignore", invalid="ignore"):
            data = data.astype(self.dtype, copy=False)
        if data.dtype.kind == "f":
            valid &= np.isfinite(data).all(axis=0)
        np.copyto(data, 0, where=~valid)
        return RasterArray(data=data, valid=valid, transform=place, crs=self.crs)

    def _valid(self, data: NDArray[np.generic], place: Affine) -> NDArray[np.bool_]:
        """Return where pixels are within the outline and do not hold the value of NoData."""
        valid = np.ones(data.shape[1:], np.bool_)
        nodata = self._request.nodata
        if nodata is not None:
            valid &= np.logical_or.reduce([differs(band, nodata) for band in data])
        if not self._outline.is_empty:
            shape = [(self._outline, 1)]
            valid &= rasterize(shape, out_shape=valid.shape, transform=place, dtype=np.uint8) != 0
        return valid


def _slices(inner: Window, outer: Window) -> tuple[slice, slice]:
    """Return where a window lies in an array of another one."""
    top, left = inner.row - outer.row, inner.column - outer.column
    return slice(top, top + inner.height), slice(left, left + inner.width)
