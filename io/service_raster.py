"""A raster that a service draws or serves in tiles, cut to what is asked for: GDAL reads it.

It is what the service is asked, as XML for GDAL: the same request is the same image.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize

from ..catalog.errors import ItemError
from ..catalog.records import Dataset, Item
from .image import Image, RasterArray, Window
from .raster import GdalName, Raster
from .view import View
from .web import gdal_options
from .web_pieces import explained, patiently

Rings = tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceRaster:
    """A reference to such a raster."""

    url: str
    """Of the service, for messages."""
    xml: str
    """The request, for GDAL's driver WMS; it holds no secrets."""
    crs: str
    """WKT."""
    block: tuple[int, int] | None = None
    """Width and height of the pieces it is read in, where they all are so large."""
    has_alpha: bool
    """Whether the last band says where there is data."""
    outline: Rings = ()
    """Rings in the reference system; pixels whose centre is outside are NoData."""

    def open(self) -> Image:
        """Open it; nothing is asked yet.

        Raises:
            ItemError: GDAL does not take the request.
        """
        return _ServiceImage(self)

    def content(self) -> tuple[None, str]:
        """Return the hash of the request: what a service shows may change without a sign."""
        said = json.dumps([self.xml, self.crs, self.has_alpha, self.outline])
        return None, hashlib.sha256(said.encode()).hexdigest()

    def as_json(self) -> dict[str, object]:
        """Return it for the catalog."""
        return {
            "url": self.url,
            "xml": self.xml,
            "crs": self.crs,
            "block": self.block,
            "has_alpha": self.has_alpha,
            "outline": self.outline,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, object]) -> Self:
        """Return what :meth:`as_json` gave."""
        return cls(**said)  # type: ignore[arg-type]  # lists serve as well as tuples


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], ServiceRaster]]:
    """Fetch the rasters of a service as its scan described them; it is not asked again."""
    rasters = json.loads(dataset.options["rasters"])

    def fetch(item: Item) -> ServiceRaster:
        if item.source_key not in rasters:
            raise ItemError("is no longer what the service was asked for; scan it again")
        return ServiceRaster.from_json(rasters[item.source_key])

    yield fetch


class _ServiceImage(View):
    """Such a raster, open."""

    def __init__(self, raster: ServiceRaster) -> None:
        name = GdalName(raster.xml, gdal_options(), raster.has_alpha)
        self._raster = Raster(name, "WMS")
        super().__init__(self._raster)
        self._request = raster
        self._outline = shapely.Polygon()
        if raster.outline:
            rings = [shapely.Polygon(ring) for ring in raster.outline]
            for ring in rings:  # a ring within another is a hole in it
                self._outline = self._outline.symmetric_difference(ring.buffer(0))
        self.crs = raster.crs

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._raster.__exit__()

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window of the bands with these 0-based indexes.

        Raises:
            ItemError: The service does not give a piece of it; says why.
        """
        try:
            array = patiently(lambda: self._raster.read(window, bands))
        except ItemError as error:
            block = self._request.block
            size = None if block is None else (block[0], block[1])
            raise explained(error, self._request.url, size) from None
        if not self._outline.is_empty and self.transform is not None:
            self._cut(array, self.transform @ Affine.translation(window.column, window.row))
        return RasterArray(
            data=array.data, valid=array.valid, transform=array.transform, crs=self.crs
        )

    def _cut(self, array: RasterArray, place: Affine) -> None:
        inside = rasterize(
            [(self._outline, 1)], out_shape=array.valid.shape, transform=place, dtype=np.uint8
        )
        array.valid[inside == 0] = False
        array.data[:, ~array.valid] = 0
