"""Rasters: images read window by window through GDAL."""

import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image as Pillow
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window as RasterioWindow

from ..catalog.errors import ItemError, PixelcatError, first_line
from ..catalog.lock import assert_not_live
from .companions import SPILLING, check_companions, check_places
from .control import Control
from .gdal_words import in_plain_words
from .georeference import georeference_of, lacks_place, unplaced
from .image import RasterArray, Window, working_dtype
from .limits import Limits
from .palette import palette_in
from .rows import RowReader
from .siblings import MOST_SIBLINGS

GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""What rasterio raises: its own errors, and now and then a bare one of GDAL."""
_MOST_BANDS = 5000
"""The 65,535 that a small file can have take 2 GB."""
_LARGEST_ROWS = 1 << 29
"""Bytes of rows that are kept."""
CACHE_BYTES = 64 << 20
"""Of decoded blocks, for all of GDAL; read at its first use."""
os.environ.setdefault("GDAL_CACHEMAX", str(CACHE_BYTES >> 20))
_SAFE = {
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",
    "GDAL_READDIR_LIMIT_ON_OPEN": str(MOST_SIBLINGS),
}
_REACH = "CPL_VSIL_CURL_ALLOWED_FILENAME"
LOCAL = {**_SAFE, _REACH: "none"}
"""For files and attachments: /vsicurl, /vsis3 and their like are not there, whoever names them."""
ATTACHMENT = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}


class GdalName(NamedTuple):
    """A raster that GDAL knows by a name of its own: in a network, or described in XML."""

    name: str
    options: Mapping[str, str]
    """How GDAL is to get at it."""
    has_alpha: bool = True
    """False where what GDAL takes for alpha, the last of two or four bands, holds data."""


class Raster:
    """A raster file or the bytes of one, open."""

    def __init__(
        self,
        where: Path | bytes | GdalName,
        driver: str | Sequence[str],
        table: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Read the header.

        Args:
            where: A path, the encoded raster, or a name.
            driver: The GDAL driver that may open it, or those of which one may.
            table: The table of a database that holds it.
            limits: How large it may be; None for any size where it is no attachment.

        Raises:
            ItemError: Damaged, too large, or no raster.
        """
        self._memory = MemoryFile(where) if isinstance(where, bytes) else None
        self._rows = RowReader(self._read_area)
        self._has_alpha = not isinstance(where, GdalName) or where.has_alpha
        options = {**LOCAL, **(ATTACHMENT if self._memory else {})}
        if isinstance(where, GdalName):
            options = {**_SAFE, _REACH: where.name, **where.options}
        self._env = rasterio.Env(**options)
        try:
            if driver == "PNG" and not isinstance(where, GdalName):
                _check_png(where, limits or Limits())
            self._dataset = self._open(where, driver, table)
            self._check_size(where, limits)
            self._describe()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, PixelcatError) or not isinstance(error, Exception):
                raise
            raise ItemError(
                f"its header or a file beside it is damaged: {first_line(error)}"
            ) from error

    def _open(
        self, where: Path | bytes | GdalName, driver: str | Sequence[str], table: str | None
    ) -> DatasetReader:
        if isinstance(where, Path):
            assert_not_live(where)
            check_companions(where)
        drivers = [driver] if isinstance(driver, str) else list(driver)
        options: dict[str, Any] = {}
        if table is not None:
            options["TABLE"] = table
        if self._memory is not None:
            options["OVERVIEW_LEVEL"] = "NONE"  # overviews may point at other files
        with self._env, unplaced() as noted:
            try:
                if self._memory is not None:
                    dataset = self._memory.open(driver=drivers[0], **options)
                else:
                    name = where.name if isinstance(where, GdalName) else os.fspath(where)
                    dataset = DatasetReader(name, driver=drivers, **options)
            except GDAL_ERRORS as error:
                raise ItemError(
                    f"not an image that can be read: {in_plain_words(error)}"
                ) from error
            if isinstance(where, Path) and dataset.driver == SPILLING:
                check_places(where, dataset.files)  # to list them GDAL opens overviews, wherever
        self.transform, self.crs = georeference_of(dataset, noted)
        self.is_placed = not lacks_place(noted)
        self.control = None if self.transform else Control.of(dataset)
        return dataset

    def _check_size(self, where: Path | bytes | GdalName, limits: Limits | None) -> None:
        width, height, count = self._dataset.width, self._dataset.height, self._dataset.count
        if count > _MOST_BANDS:
            raise ItemError(f"declares {count} bands, more than the limit of {_MOST_BANDS}")
        if isinstance(where, bytes) or (limits and not self.is_placed):
            (limits or Limits()).check(width, height)
        elif limits and isinstance(where, Path):
            limits.check_placed(width, height, where.stat().st_size)

    @property
    def has_more_pages(self) -> bool:
        """Whether there are pages beside the one that is read; overviews and masks are none."""
        try:
            listed = len(self._dataset.subdatasets)
            return bool(self._dataset.colorinterp) and listed > 1  # raises what that has left
        except GDAL_ERRORS:
            return False

    def _describe(self) -> None:
        dataset = self._dataset
        if not dataset.count:
            raise ItemError(
                "has no bands of its own; make a raster of one of its sub-datasets (gdal_translate)"
            )
        self.width, self.height = dataset.width, dataset.height
        self._indexes = [
            index
            for index, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True)
            if meaning != ColorInterp.alpha or not self._has_alpha
        ]
        self._alpha = next(iter(set(dataset.indexes) - set(self._indexes)), None)
        self.bands = len(self._indexes)
        self.palette = palette_in(dataset)
        working = [working_dtype(dtype) for dtype in dataset.dtypes]
        self.dtype = working_dtype(str(np.result_type(*working)))
        self.band_names: tuple[str | None, ...] = tuple(
            dataset.descriptions[index - 1] for index in self._indexes
        )
        self.orientation: int | None = None
        self.taken_at: str | None = None
        self.position: tuple[float, float] | None = None
        self.direction: float | None = None

    def __enter__(self) -> Self:
        """Return the raster itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._rows.forget()
        if hasattr(self, "_dataset"):
            self._dataset.close()
        if self._memory is not None:
            self._memory.close()

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window.

        Raises:
            ItemError: The file is cut off or damaged.
        """
        if self._is_in_strips(window):
            return self._rows.read(window, bands, self.width)
        return self._read_area(window, bands)

    def _is_in_strips(self, window: Window) -> bool:
        """Return whether a window is a part of strips, and rows of it fit into memory."""
        row_bytes = self.width * self.bands * np.dtype(self.dtype).itemsize
        fits = row_bytes * window.height <= _LARGEST_ROWS
        block_width: int = self._dataset.block_shapes[0][1]
        return bool(fits and window.width < self.width <= block_width)

    def _read_area(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window.

        A pixel is invalid where the alpha band or the mask says so, where every band that
        was asked for holds its nodata value, or where one of them is not finite.

        Raises:
            ItemError: The file is cut off or damaged.
        """
        indexes = [self._indexes[band] for band in bands]
        area = RasterioWindow(window.column, window.row, window.width, window.height)
        with self._env:
            try:
                data = self._read(indexes, area)
                valid = self._valid(data, indexes, area)
            except GDAL_ERRORS as error:
                raise ItemError(f"cut off or damaged: {first_line(error)}") from error
        with np.errstate(over="ignore", invalid="ignore"):
            data = data.astype(self.dtype, copy=False)
        if data.dtype.kind == "f":
            valid &= np.isfinite(data).all(axis=0)
        if not valid.all():
            np.copyto(data, 0, where=~valid)
        transform = self.transform and self.transform @ Affine.translation(
            window.column, window.row
        )
        return RasterArray(data=data, valid=valid, transform=transform, crs=self.crs)

    def _read(self, indexes: list[int], area: RasterioWindow) -> NDArray[Any]:
        """Read bands as one type that holds them all; rasterio wants one type per call."""
        dtypes = self._dataset.dtypes
        if len({dtypes[index - 1] for index in indexes}) == 1:
            return np.asarray(self._dataset.read(indexes, window=area))
        bands = [self._dataset.read(index, window=area) for index in indexes]
        return np.stack(bands).astype(np.result_type(*bands), copy=False)

    def _valid(
        self, data: NDArray[Any], indexes: list[int], area: RasterioWindow
    ) -> NDArray[np.bool_]:
        dataset = self._dataset
        nodata = [dataset.nodatavals[index - 1] for index in indexes]
        valid = np.ones(data.shape[1:], bool)
        if None not in nodata:
            different = [differs(band, n) for band, n in zip(data, nodata, strict=True)]
            valid &= np.logical_or.reduce(different)
        if self._alpha is not None:
            valid &= dataset.read(self._alpha, window=area) != 0
        elif self._has_alpha and MaskFlags.per_dataset in dataset.mask_flag_enums[indexes[0] - 1]:
            valid &= dataset.read_masks(indexes[0], window=area) != 0
        return valid


def differs(band: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Return where a band does not hold a NoData value, which may be NaN."""
    different: NDArray[np.bool_]
    if math.isnan(nodata):
        different = ~np.isnan(band)
        return different
    exact = int(nodata) if band.dtype.kind in "iu" and float(nodata).is_integer() else nodata
    different = band != exact
    return different


def _check_png(where: Path | bytes, limits: Limits) -> None:
    """Let Pillow decode a PNG first: GDAL returns a truncated one as noise, without error."""
    try:
        with Pillow.open(where if isinstance(where, Path) else io.BytesIO(where)) as image:
            limits.check(*image.size)
            image.load()
    except ItemError:
        raise
    except Exception as error:  # a decoder may raise anything on hostile bytes
        raise ItemError(f"PNG is cut off or damaged: {first_line(error)}") from error
