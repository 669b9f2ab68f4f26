"""Pieces of a raster that a service sends: fetched, checked and decoded.

They are asked for here and not by GDAL: it takes what is of another type or size for what it
should be, and takes headers with keys to whatever host it is redirected to.
"""

import io
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from rasterio.io import MemoryFile

from ..catalog.errors import ItemError
from .georeference import unplaced
from .limits import check_size
from .raster import CACHE_BYTES, GDAL_ERRORS
from .service_request import Piece, Request
from .sniff import content_type
from .web import CONNECTIONS, ask_piece, shown

_POOL = ThreadPoolExecutor(CONNECTIONS, "pieces")
_DAMAGED = (
    *GDAL_ERRORS,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    MemoryError,
    Pillow.DecompressionBombError,
)
_GRAY = ("L", "1")
_COLOUR = ("L", "1", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Modes of Pillow that have 8 bits or less per band."""


class Pieces:
    """Fetches the pieces of a raster; keeps those that the next windows may need."""

    def __init__(self, request: Request) -> None:
        """Ask for nothing yet."""
        self._request = request
        self._kept: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def fetch(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, NDArray[Any]]]:
        """Yield pieces with their pixels, shape (bands, height, width).

        Raises:
            ItemError: The service sends something else for one; the others are not asked for.
        """
        waiting: deque[tuple[Piece, Future[NDArray[Any]]]] = deque()
        try:
            for piece in pieces:
                known = self._kept.get((piece.column, piece.row))
                if known is not None:
                    self._kept.move_to_end((piece.column, piece.row))
                    yield piece, known
                else:
                    waiting.append((piece, _POOL.submit(_fetched, self._request, piece)))
            while waiting:
                piece, future = waiting.popleft()
                pixels = future.result()
                self._keep(piece, pixels)
                yield piece, pixels
        finally:
            wait([future for _, future in waiting if not future.cancel()])

    def forget(self) -> None:
        """Let go of the pixels."""
        self._kept.clear()
        self._bytes = 0

    def _keep(self, piece: Piece, pixels: NDArray[Any]) -> None:
        self._kept[piece.column, piece.row] = pixels
        self._bytes += pixels.nbytes
        while self._bytes > CACHE_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes


def _fetched(request: Request, piece: Piece) -> NDArray[Any]:
    url = request.address(piece)
    try:
        data = ask_piece(url)
        pixels = _drawing(data, request.bands) if request.has_alpha else _values(data, request)
        size = pixels.shape[:0:-1]
        if size != (piece.window.width, piece.window.height):
            raise ItemError(
                f"sent an image of {size[0]} x {size[1]} pixels instead of"
                f" {piece.window.width} x {piece.window.height}"
            )
    except ItemError as error:
        raise ItemError(f"{shown(url)} {error}") from None
    return pixels


def image_shape(data: bytes) -> tuple[int, int, int]:
    """Return width, height and bands of an encoded picture, which is decoded to the end.

    Raises:
        ItemError: It is cut off or damaged.
    """
    with _opened(data, _COLOUR, "8 bits") as image:
        is_gray = image.mode in _GRAY and "transparency" not in image.info
        return *image.size, 1 if is_gray else 4


def _drawing(data: bytes, bands: int) -> NDArray[Any]:
    """Return a picture: red, green, blue and alpha."""
    with _opened(data, _COLOUR, "8 bits") as image:
        pixels = np.asarray(image.convert("RGBA"))
    return np.moveaxis(pixels, -1, 0)[:bands]


def _values(data: bytes, request: Request) -> NDArray[Any]:
    """Return pixels as they are.

    Raises:
        ItemError: Of another type than the service said, or another number of bands.
    """
    if content_type(data[:64]) != "image/tiff":
        with _opened(data, _GRAY, f"one band of {request.dtype}") as image:
            _check(request, "uint8", 1)
            return np.asarray(image.convert("L"))[np.newaxis]
    try:
        with unplaced(), MemoryFile(data) as memory, memory.open(driver="GTiff") as dataset:
            check_size(dataset.width, dataset.height)
            _check(request, ", ".join(dict.fromkeys(dataset.dtypes)), dataset.count)
            return np.asarray(dataset.read())
    except _DAMAGED as error:
        raise ItemError("sent an image that is cut off or damaged") from error


def _check(request: Request, dtype: str, bands: int) -> None:
    if (dtype, bands) != (request.dtype, request.bands):
        raise ItemError(
            f"sent {bands} {'band' if bands == 1 else 'bands'} of {dtype} instead of"
            f" {request.bands} of {request.dtype}, which it had said"
        )


def _opened(data: bytes, modes: tuple[str, ...], wanted: str) -> Pillow.Image:
    """Return a picture, decoded.

    Raises:
        ItemError: It is cut off or damaged, or none of these modes.
    """
    try:
        image = Pillow.open(io.BytesIO(data))
        check_size(*image.size)
        image.load()
    except _DAMAGED as error:
        raise ItemError("sent an image that is cut off or damaged") from error
    if image.mode not in modes:
        raise ItemError(f"sent an image of another kind ({image.mode}) instead of {wanted}")
    return image
